// The client's side of one SASL exchange (RFC 4422): SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC
// 5802, 7677), CRAM-MD5 (RFC 2195), PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login),
// OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, the same in other words). Octets in, octets out;
// base64 and "AUTH" are the protocol's business. No I/O.
//
// Passwords are UTF-8 and used as they are: no SASLprep (RFC 4013), which changes nothing for
// ASCII.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sasl/digest.h"
#include "common/sasl/exchange.h"

namespace postwain::sasl {

// A server may ask for work; beyond this it asks for ours to be wasted.
constexpr std::uint32_t kScramIterationsMax = 500'000;

enum class Mechanism : std::uint8_t {
  scram_sha256_plus,
  scram_sha256,
  plain,
  login,
  cram_md5,
  oauthbearer,
  xoauth2,
};
std::string_view name_of(Mechanism mechanism);
std::optional<Mechanism> parse_mechanism(std::string_view name);  // any letter case
bool takes_token(Mechanism mechanism);
// Whether who answers has the secret afterwards, and may use it elsewhere.
bool reveals_secret(Mechanism mechanism);

struct ClientLogin {
  std::string user;
  std::string secret;  // password or access token
  std::string host;    // whom we log in at, for OAUTHBEARER
  std::uint16_t port = 0;
  std::string nonce;  // ours, for SCRAM: printable, without comma, never used before
  ChannelBindings bindings;
  bool plus_offered = false;  // the server would bind; for SCRAM without
  const Digest* digest = nullptr;
};

class ClientExchange {
 public:
  virtual ~ClientExchange() = default;
  // Goes with the command; nothing: the server speaks first.
  virtual std::optional<std::string> initial() = 0;
  // Nothing: the exchange is to be given up, why() tells the reason.
  virtual std::optional<std::string> respond(std::string_view challenge) = 0;
  // The server says it was a success; false when it has not proven what it had to.
  virtual bool may_succeed() const { return true; }
  const std::string& why() const { return why_; }

 protected:
  std::optional<std::string> give_up(std::string why) {
    why_ = std::move(why);
    return std::nullopt;
  }

 private:
  std::string why_;
};

std::unique_ptr<ClientExchange> new_client(Mechanism mechanism, ClientLogin login);

// The best of those offered: what hides the password comes first (in clear CRAM-MD5 before PLAIN,
// else behind it, for it demands that the server keeps the password). allowed: names, upper case;
// empty: all. Nothing: no common one.
struct Offer {
  std::vector<std::string> mechanisms;
  bool tls = false;
  bool can_bind = false;
  bool token = false;  // we have a token, not a password
  // The server has shown who it is, or the route lets anybody have the secret: PLAIN, LOGIN and
  // tokens may be used. Otherwise only where `allowed` names them.
  bool may_reveal = false;
};
std::optional<Mechanism> choose(const Offer& offer, const std::vector<std::string>& allowed);

}  // namespace postwain::sasl
