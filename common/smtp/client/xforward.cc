#include "common/smtp/client/xforward.h"

#include <array>

#include "common/base/text.h"
#include "common/smtp/syntax/domain_syntax.h"
#include "common/smtp/syntax/xtext.h"

namespace postwain::smtp {

namespace {

constexpr std::string_view kVerb = "XFORWARD";
constexpr std::string_view kUnavailable = "[UNAVAILABLE]";

// In the order of XforwardAttribute.
constexpr std::array<std::string_view, kXforwardAttributeCount> kNames = {
    "NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"};

// A value that is too long is cut in front of the first character whose code does not fit whole.
std::string written(std::string_view value) {
  if (value.empty()) return std::string(kUnavailable);
  std::string out;
  for (char c : value) {
    std::string code = xtext_encode(std::string_view(&c, 1));
    if (out.size() + code.size() > kXforwardValueMax) break;
    out += code;
  }
  return out;
}

std::string address_value(std::string_view address) {
  bool v6 = address.find(':') != std::string_view::npos;
  std::string value = (v6 ? "IPV6:" : "") + std::string(address);
  return is_address_literal("[" + value + "]") ? value : std::string(kUnavailable);
}

// XFORWARD knows these two protocols only. Mail that came by LMTP or from a program came by
// neither.
std::string_view protocol_value(std::string_view protocol) {
  if (protocol == "SMTP") return "SMTP";
  bool extended = protocol.starts_with("ESMTP") || protocol.starts_with("UTF8SMTP");
  return extended ? "ESMTP" : kUnavailable;
}

// What the DNS calls the client, and its port, are not kept with a message.
std::string value_of(XforwardAttribute attribute, const MessageOrigin& origin) {
  switch (attribute) {
    case XforwardAttribute::addr:
      return address_value(origin.address);
    case XforwardAttribute::proto:
      return std::string(protocol_value(origin.protocol));
    case XforwardAttribute::helo:
      return written(origin.hello);
    case XforwardAttribute::ident:
      return written(origin.ident);
    case XforwardAttribute::source:
      return origin.address.empty() ? "LOCAL" : "REMOTE";
    case XforwardAttribute::name:
    case XforwardAttribute::port:
      break;
  }
  return std::string(kUnavailable);
}

}  // namespace

XforwardOffer XforwardOffer::parse(std::string_view words) {
  XforwardOffer out;
  for (std::string_view word : split(words, ' '))
    for (std::size_t i = 0; i < kNames.size(); ++i)
      if (iequals(word, kNames[i])) out.bits_ = static_cast<std::uint8_t>(out.bits_ | 1U << i);
  return out;
}

std::vector<std::string> xforward_commands(const MessageOrigin& origin, XforwardOffer offer) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    auto attribute = static_cast<XforwardAttribute>(i);
    if (!offer.has(attribute)) continue;
    std::string word = " " + std::string(kNames[i]) + "=" + value_of(attribute, origin);
    if (out.empty() || out.back().size() + word.size() + 2 > kXforwardLineMax)
      out.emplace_back(kVerb);
    out.back() += word;
  }
  for (std::string& line : out) line += "\r\n";
  return out;
}

}  // namespace postwain::smtp
