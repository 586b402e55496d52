// XFORWARD: what the next hop is told of the client that a message came from, as Postfix documents
// it (XFORWARD_README). A content filter that trusts us can judge the client by it as if he had
// come to it. Told for each message anew, in front of its MAIL; the server forgets it behind the
// message. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::smtp {

enum class XforwardAttribute : std::uint8_t { name, addr, port, proto, helo, ident, source };
constexpr std::size_t kXforwardAttributeCount = 7;
constexpr std::size_t kXforwardValueMax = 255;  // octets of a value as it is written
constexpr std::size_t kXforwardLineMax = 512;   // of a command with its CRLF (RFC 5321 4.5.3.1.4)

// Those that a server names behind XFORWARD in its reply to EHLO.
class XforwardOffer {
 public:
  // words: separated by blanks; those that are no attributes are passed over.
  static XforwardOffer parse(std::string_view words);
  bool has(XforwardAttribute one) const { return (bits_ >> static_cast<unsigned>(one) & 1U) != 0; }
  bool empty() const { return bits_ == 0; }
  bool operator==(const XforwardOffer&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

// Where a message came from. Empty is what is not known.
struct MessageOrigin {
  std::string address;   // of the client: an IP address as text
  std::string hello;     // what it called itself
  std::string protocol;  // ipc::Arrival::protocol: "ESMTPS", "UTF8LMTP", "local"
  std::string ident;     // our queue id
};

// The commands, each a line with its CRLF; none where the server offers nothing that we have. All
// it offers is told, what is not known as "[UNAVAILABLE]", so that nothing of the message before
// can be taken for this one's. Values are xtext, at most kXforwardValueMax octets each.
std::vector<std::string> xforward_commands(const MessageOrigin& origin, XforwardOffer offer);

}  // namespace postwain::smtp
