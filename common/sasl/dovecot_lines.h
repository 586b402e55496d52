// The lines of Dovecot's authentication protocol, client's side, versions 1.x
// (doc.dovecot.org, "Authentication protocol"): built and taken apart. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::sasl {

constexpr std::size_t kDovecotLineMax = 32U << 10;  // beyond: the connection is given up

struct DovecotRequest {
  std::uint32_t id = 0;
  std::string_view mechanism;
  std::string_view client;  // IP address; empty when there is none
  bool secured = false;
  const std::string* initial = nullptr;  // octets; null: the client sent none
};

std::string dovecot_hello(std::uint32_t pid);
std::string dovecot_auth(const DovecotRequest& request);
std::string dovecot_continue(std::uint32_t id, std::string_view response);
std::string dovecot_cancel(std::uint32_t id);

struct DovecotLine {
  enum class Kind : std::uint8_t {
    other,      // of no interest
    bad,        // breaks the protocol: another major version, no number where one must be
    mechanism,  // text: its name; private_use: not to be offered
    done,       // the handshake is over
    challenge,  // id, text: octets
    success,    // id, text: the user, maybe another name than the client gave
    failure,    // id, text: the user when known; temporary
  };
  Kind kind = Kind::other;
  std::uint32_t id = 0;
  std::string text{};
  bool private_use = false;
  bool temporary = false;
};

// line: without its LF.
DovecotLine parse_dovecot(std::string_view line);

}  // namespace postwain::sasl
