// Logging in, as a session sees it: an exchange with whoever knows the accounts (a users file,
// Dovecot). Octets, not base64.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/sasl/exchange.h"

namespace postwain::smtpd {

struct LoginStep {
  enum class Kind : std::uint8_t {
    challenge,  // text: for the client
    success,    // text: the account
    failure,    // wrong; text: who tried, for the log, when known
    trouble,    // nobody can tell now; text: why, for the log
  };
  Kind kind = Kind::failure;
  std::string text{};
};

struct LoginRequest {
  std::string mechanism;  // one of mechanisms()
  std::string client;     // plain_address()
  bool tls = false;
  sasl::ChannelBindings bindings{};
};

// One exchange. Destroying it gives it up; no step comes afterwards.
class Login {
 public:
  virtual ~Login() = default;
  // Each call is answered by one step, at once or later. The step may destroy the login.
  virtual void respond(std::optional<std::string> response) = 0;
  // Whom the client says it is, as far as that is known between two steps; else empty.
  virtual std::string account() const { return {}; }
};

class LoginBackend {
 public:
  virtual ~LoginBackend() = default;
  // For the hello: "PLAIN LOGIN"; empty while nobody can be logged in.
  virtual std::string mechanisms(bool tls) const = 0;
  virtual std::unique_ptr<Login> begin(const LoginRequest& request,
                                       std::function<void(const LoginStep&)> on_step) = 0;
};

}  // namespace postwain::smtpd
