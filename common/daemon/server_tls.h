// From [tls] to what sessions use: the certificates of the bundle, opened and matched.
#pragma once

#include <memory>

#include "common/config/load/bundle.h"
#include "common/tls/tls.h"

namespace postwain::daemon {

// Where the supervisor puts the seed of session tickets into smtpd's bundle: no file has this name.
inline constexpr const char* kTicketSeedFile = "@tickets";
// The same for the secret that names without an account get their keys by.
inline constexpr const char* kLoginSecretFile = "@logins";

// Null when [tls] is missing. The error names the file that cannot be used.
Result<std::shared_ptr<tls::Context>> open_server_tls(const config::Config& config,
                                                      const config::Bundle& bundle);

}  // namespace postwain::daemon
