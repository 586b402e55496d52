// smtp-client: delivers leases of qmgr to SMTP servers, found by MX or named by routes.
//
// What it may touch: the network, and qmgr's socket. No file once it runs but those that name
// lookup reads (common/daemon/confinement.cc), time zones and roots of trust; no database.
#include <functional>
#include <memory>
#include <utility>

#include "common/agent/agent.h"
#include "common/agent/hosts/mx_finder.h"
#include "common/agent/hosts/sts_finder.h"
#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/daemon/signer_link.h"
#include "common/dns/resolver.h"
#include "common/exercise/exercises.h"
#include "common/http/fetcher.h"
#include "common/log/log.h"

int main(int argc, char** argv) {
  using namespace postwain;
  // Arguments, configuration, log: without them there is nothing to do.
  daemon::Start start = daemon::begin("smtp-client", argc, argv,
                                      {exercise::loop(), exercise::threads(), exercise::dns(),
                                       exercise::tls(), exercise::http(), exercise::connects()});
  net::Loop loop;
  // The resolver before anything else of the network: it seeds its query ids now.
  auto resolver =
      dns::Resolver::create(loop, start.config().dns.servers, start.config().dns.trust_ad);
  if (!resolver) {
    log::Line(log::Level::error, "dns").kv("error", resolver.error().text);
    log::flush();
    return kExitConfig;
  }
  const config::Delivery& delivery = start.config().delivery;
  agent::TlsNotes noted;
  agent::TlsNotes* notes = start.config().tls_reports.wanted ? &noted : nullptr;
  // Reads the trust store now.
  agent::StsFinder policies(**resolver, http::new_fetcher(loop), notes, delivery.sts_port,
                            delivery.allow_private_mx);
  agent::MxFinder finder(**resolver, delivery.sts ? &policies : nullptr, notes, start.config());
  // Who has the keys for signing; qmgr brings us together.
  std::unique_ptr<daemon::SignerLink> signer;
  if (start.config().signs_mail()) signer = std::make_unique<daemon::SignerLink>(loop, nullptr);
  std::function<void(UniqueFd)> on_signer_link;
  if (signer) on_signer_link = [&signer](UniqueFd end) { signer->adopt(std::move(end)); };
  // The agent connects to qmgr by itself, now and after each loss.
  agent::Agent agent(
      loop, start.config(), finder,
      {.name = start.name,
       .role = ipc::Role::smtp_client,
       .dialect = &smtp::kSmtp,
       .on_ready = [&] { daemon::announce_ready(start); },
       .on_drained = [&] { loop.stop(); },
       .notes = notes,
       .signer = signer.get(),
       .seal = {start.config().authentication.name, start.config().authentication.arc.seal_domain},
       .on_signer_link = std::move(on_signer_link)});
  // SIGTERM: nothing new, what runs is finished, then run() returns.
  daemon::Signals signals(loop, [&] { agent.drain(); });
  daemon::Confinement confinement("smtp-client", start.config());
  confinement.give_up_files();
  confinement.give_up_calls();
  loop.run();
  return kExitOk;
}
