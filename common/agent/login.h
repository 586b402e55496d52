// Logging in at a next hop: which mechanism is taken, and the exchange with it. Octets in, octets
// out, as sasl::ClientExchange; the engine (smtp::ClientEngine) asks, a Connection stands between.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/mail/transport.h"
#include "common/sasl/client_exchange.h"

namespace postwain::agent {

// What is known of the session the login is to happen in.
struct LoginSession {
  std::vector<std::string> mechanisms;  // the peer's
  bool tls = false;
  bool proven = false;  // the peer's certificate is the one it must have
  sasl::ChannelBindings bindings;
  std::string host;
  std::uint16_t port = 0;
};

class Login {
 public:
  // token: the access token, where credential says that one is fetched. Fails when the peer offers
  // nothing we may use.
  static Result<Login> begin(const mail::Credential& credential, const std::string& token,
                             const LoginSession& session);

  std::string_view mechanism() const { return sasl::name_of(mechanism_); }
  sasl::ClientExchange& exchange() { return *exchange_; }

 private:
  Login(sasl::Mechanism mechanism, std::unique_ptr<sasl::ClientExchange> exchange)
      : mechanism_(mechanism), exchange_(std::move(exchange)) {}
  sasl::Mechanism mechanism_;
  std::unique_ptr<sasl::ClientExchange> exchange_;
};

}  // namespace postwain::agent
