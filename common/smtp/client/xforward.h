// XFORWARD: the command that tells the next hop which client a message came from, as Postfix
// documents it (XFORWARD_README). A content filter that trusts us can judge that client as if it
// had connected to the filter itself. The command is sent in front of the MAIL of each message,
// because the server forgets what it was told at the end of the message. Pure.
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

// The attributes that a server names behind XFORWARD in its reply to EHLO.
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

// Where a message came from. A field is empty where that is not known.
struct MessageOrigin {
  std::string address;   // of the client: an IP address as text
  std::string hello;     // what it called itself
  std::string protocol;  // ipc::Arrival::protocol: "ESMTPS", "UTF8LMTP", "local"
  std::string ident;     // our queue id
};

// The commands to send, each a line with its CRLF; none where the server offers no attribute. Every
// attribute that it offers is named, with "[UNAVAILABLE]" where we do not know the value, so that
// no value of the message before can be taken for one of this message. Values are xtext of at most
// kXforwardValueMax octets each.
std::vector<std::string> xforward_commands(const MessageOrigin& origin, XforwardOffer offer);

}  // namespace postwain::smtp
