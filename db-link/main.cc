// db-link: the way from qmgr, which has no network, to a database server that is reached over one.
// It looks the server up, speaks TLS with it and judges its certificate, and passes octets on.
// Started where [queue] store names a host of the network.
//
// What it may touch: the sockets it was given, at which qmgr waits for it, the ports of those
// hosts, and the DNS. It sees every message that goes into the queue or comes out of it, but it has
// neither the password of the database nor any file, and nobody but qmgr and the server talks to
// it.
#include <unistd.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/daemon/peer_users.h"
#include "common/dns/resolver.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "db-link/link_process.h"

namespace postwain::dblink {

namespace {

int cannot_start(const std::string& why) {
  log::Line(log::Level::error, "cannot_start").kv("reason", why);
  return kExitConfig;
}

// By hand, without a supervisor, who runs it is who may come.
std::uint32_t queue_user(const config::Bundle& bundle) {
  auto given = bundle.files.find(daemon::kQueueUserFile);
  if (given == bundle.files.end()) return ::geteuid();
  return parse_decimal<std::uint32_t>(given->second).value_or(::geteuid());
}

}  // namespace

int run(daemon::Start& start) {
  const config::Config& config = start.config();
  net::Loop loop;
  // The resolver before anything else of the network: it seeds its query ids now.
  auto resolver = dns::Resolver::create(loop, config.dns.servers, config.dns.trust_ad);
  if (!resolver) return cannot_start(resolver.error().text);
  auto targets = targets_of(config.queue.store);
  if (!targets) return cannot_start(targets.error().text);
  if (targets->size() != start.listener_fds.size())
    return cannot_start("the sockets are not those of the hosts in [queue] store");
  daemon::Confinement confinement("db-link", config);
  confinement.give_up_files();
  LinkProcess process(loop, **resolver,
                      {targets.take(), start.listener_fds, queue_user(start.loaded.bundle)});
  // The supervisor says so when qmgr has ended, or another db-link is to take over.
  daemon::Signals signals(loop, [&loop] { loop.stop(); });
  confinement.give_up_calls();
  daemon::announce_ready(start);
  loop.run();
  return kExitOk;
}

}  // namespace postwain::dblink

int main(int argc, char** argv) {
  using namespace postwain;
  daemon::Start start =
      daemon::begin("db-link", argc, argv,
                    {exercise::loop(), exercise::dns(), exercise::tls(), exercise::accepts()});
  int code = dblink::run(start);
  log::flush();
  return code;
}
