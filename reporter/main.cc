// reporter: tells domains that ask for it how TLS to their mail hosts went (RFC 8460), and what
// DMARC found about mail in their name (RFC 9990). Started with [tls_reports] or [dmarc_reports].
//
// What it may touch: a folder of its own for each, the DNS and web servers, qmgr's socket in a role
// that hears of results and submits mail.
#include "common/base/sysexits.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "reporter/reporter.h"

namespace postwain::reporter {

namespace {

Result<std::optional<Signer>> signer_of(const config::TlsReports& settings) {
  if (settings.dkim_key_pem.empty()) return std::optional<Signer>();
  auto key = tls::SigningKey::from_pem(settings.dkim_key_pem);
  if (!key) return key.error();
  std::string domain = settings.from.substr(settings.from.rfind('@') + 1);
  return std::optional<Signer>(Signer{domain, settings.dkim_selector, *key});
}

}  // namespace

int run(daemon::Start& start) {
  net::Loop loop;
  const config::Config& config = start.config();
  auto signer = signer_of(config.tls_reports);
  // The resolver before anything else of the network: it seeds its query ids now.
  auto resolver = dns::Resolver::create(loop, config.dns.servers, config.dns.trust_ad);
  if (!signer || !resolver) {
    log::Line(log::Level::error, "cannot_start")
        .kv("reason", !signer ? signer.error().text : resolver.error().text);
    return kExitConfig;
  }
  auto fetcher = http::new_fetcher(loop);  // reads the trust store now
  daemon::Confinement confinement("reporter", config);
  confinement.give_up_files();
  Reporter reporter(loop, config, **resolver, std::move(fetcher),
                    {start.name, std::move(*signer), [&start] { daemon::announce_ready(start); }});
  daemon::Signals signals(loop, [&] { reporter.drain([&loop] { loop.stop(); }); });
  confinement.give_up_calls();
  loop.run();
  return kExitOk;
}

}  // namespace postwain::reporter

int main(int argc, char** argv) {
  postwain::daemon::Start start = postwain::daemon::begin(
      "reporter", argc, argv,
      {postwain::exercise::loop(), postwain::exercise::threads(), postwain::exercise::dns(),
       postwain::exercise::tls(), postwain::exercise::http(),
       postwain::exercise::files([](const postwain::config::Config& config) {
         return config.tls_reports.wanted ? config.tls_reports.folder : std::string();
       }),
       postwain::exercise::files(
           [](const postwain::config::Config& config) {
             return config.dmarc_reports.wanted ? config.dmarc_reports.folder : std::string();
           },
           "dmarc_files", "the same for DMARC")});
  int code = postwain::reporter::run(start);
  postwain::log::flush();
  return code;
}
