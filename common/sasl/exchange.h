// The server's side of one SASL exchange (RFC 4422): PLAIN (RFC 4616), LOGIN
// (draft-murchison-sasl-login), SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677). Octets in,
// octets or a question out; base64 and "334" are the protocol's business. No I/O, no passwords of
// its own: the host answers the questions.
//
//   Step step = exchange->respond(initial response, or nothing);
//   challenge: send it, and respond() to what comes;   password: approve(is it right?)
//   keys: supply(keys of user());                      success, failure: over
//
// Names and passwords are UTF-8 and compared as they are: no SASLprep (RFC 4013), which changes
// nothing for ASCII. An authorization identity other than the name itself is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/sasl/digest.h"

namespace postwain::sasl {

constexpr std::size_t kNameMax = 255;
constexpr std::size_t kPasswordMax = 1024;

struct Step {
  enum class Kind : std::uint8_t { challenge, password, keys, success, failure };
  Kind kind = Kind::failure;
  std::string challenge{};
};

// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 3).
struct ScramKeys {
  std::string salt;
  std::uint32_t iterations = 4096;
  std::string stored_key;
  std::string server_key;
};

// RFC 5929 and 9266; empty where the connection has none of that kind.
struct ChannelBindings {
  std::string exporter;   // tls-exporter
  std::string unique;     // tls-unique, TLS 1.2 only
  std::string end_point;  // tls-server-end-point
};

class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual Step respond(std::optional<std::string_view> response) = 0;
  virtual Step approve(bool good) = 0;
  virtual Step supply(const ScramKeys& keys) = 0;

  // As far as it is known, also after a failure; then it may be any octets, at most kNameMax.
  const std::string& user() const { return user_; }
  const std::string& password() const { return password_; }  // at the question `password`

 protected:
  std::string user_;
  std::string password_;
};

std::unique_ptr<Exchange> new_plain();
std::unique_ptr<Exchange> new_login();

struct ScramOptions {
  const Digest* digest = nullptr;
  std::string nonce;          // ours: printable, without comma, never used before
  bool plus = false;          // SCRAM-SHA-256-PLUS
  bool plus_offered = false;  // a client that could bind and believes we cannot was lied to
  ChannelBindings bindings;
};
std::unique_ptr<Exchange> new_scram_sha256(ScramOptions options);

// SaltedPassword is PBKDF2-HMAC-SHA-256 of password, salt and iterations, which the caller makes.
ScramKeys scram_keys(const Digest& digest, std::string_view salted_password, std::string salt,
                     std::uint32_t iterations);

}  // namespace postwain::sasl
