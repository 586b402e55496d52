#include "common/daemon/server_tls.h"

#include <fmt/format.h>

namespace postwain::daemon {

namespace {

// Whether a client is asked for a certificate at all: one that is asked for nothing may complain.
bool wants_client_certificates(const config::Config& config) {
  return config.auth.external() || !config.access.trusted_certificates.empty();
}

}  // namespace

Result<std::shared_ptr<tls::Context>> open_server_tls(const config::Config& config,
                                                      const config::Bundle& bundle) {
  const config::Tls& tls = config.tls;
  if (tls.certificate.empty()) return std::shared_ptr<tls::Context>();
  tls::ServerSettings settings;
  settings.tls13_only = tls.minimum == config::TlsVersion::tls13;
  auto add = [&](const config::TlsPair& pair) -> Status {
    auto certificate = bundle.files.find(pair.certificate);
    auto key = bundle.files.find(pair.key);
    if (certificate == bundle.files.end() || key == bundle.files.end())
      return Error{fmt::format("the bundle lacks {} or {}", pair.certificate, pair.key)};
    settings.pairs.push_back({certificate->second, key->second});
    // Alone first, so that the message can name the pair.
    tls::ServerSettings alone;
    alone.pairs.push_back(settings.pairs.back());
    auto usable = tls::Context::server(alone);
    if (!usable)
      return Error{fmt::format("certificate {} and key {} cannot be used: {}", pair.certificate,
                               pair.key, usable.error().text)};
    return {};
  };
  if (Status status = add(tls); !status) return status.error();
  for (const config::TlsPair& pair : tls.more)
    if (Status status = add(pair); !status) return status.error();
  if (auto seed = bundle.files.find(kTicketSeedFile); seed != bundle.files.end())
    settings.ticket_seed = seed->second;
  settings.ask_client = wants_client_certificates(config);
  if (auto ca = bundle.files.find(tls.client_ca); ca != bundle.files.end())
    settings.client_ca = ca->second;
  return tls::Context::server(settings);
}

}  // namespace postwain::daemon
