#include "common/smtp/client_claim.h"

#include <arpa/inet.h>

#include "common/base/text.h"
#include "common/smtp/domain_syntax.h"
#include "common/smtp/xtext.h"

namespace postwain::smtp {

namespace {

constexpr std::size_t kLoginMax = 255;

mail::Reply bad_claim(std::string_view attribute) {
  return {501, {5, 5, 4}, "Bad " + std::string(attribute) + " attribute"};
}

bool is_unknown(std::string_view value) {
  return iequals(value, "[UNAVAILABLE]") || iequals(value, "[TEMPUNAVAIL]");
}

bool is_port(std::string_view value) {
  return value.empty() || parse_decimal<std::uint16_t>(value).has_value();
}

// "192.0.2.1", "IPV6:2001:db8::1"; "[…]" of it must be an address literal.
bool take_address(std::string_view value, std::optional<std::string>& out) {
  if (value.empty()) {
    out.emplace();
    return true;
  }
  if (!is_hello_name("[" + std::string(value) + "]")) return false;
  bool v6 = istarts_with(value, "IPV6:");
  if (v6) value.remove_prefix(5);
  // In the one form that addresses are compared in.
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN];
  int family = v6 ? AF_INET6 : AF_INET;
  if (inet_pton(family, std::string(value).c_str(), bytes) != 1 ||
      inet_ntop(family, bytes, text, sizeof text) == nullptr)
    return false;
  out = text;
  return true;
}

bool take_name(std::string_view value, std::optional<std::string>& out) {
  if (!value.empty() && (value.front() == '[' || !is_hello_name(value))) return false;
  out = to_lower(value);
  return true;
}

bool take_hello(std::string_view value, std::optional<std::string>& out) {
  if (!value.empty() && !is_hello_name(value)) return false;
  out = std::string(value);
  return true;
}

bool take_protocol(std::string_view value, ClientClaim& claim) {
  if (value.empty()) return true;
  if (!iequals(value, "SMTP") && !iequals(value, "ESMTP")) return false;
  claim.extended = iequals(value, "ESMTP");
  return true;
}

// Attributes that are checked and of no use to us.
bool is_idle(std::string_view attribute, ClaimKind kind) {
  bool xclient = kind == ClaimKind::xclient;
  return iequals(attribute, "PORT") || (xclient && iequals(attribute, "DESTADDR")) ||
         (xclient && iequals(attribute, "DESTPORT")) || (!xclient && iequals(attribute, "IDENT")) ||
         (!xclient && iequals(attribute, "SOURCE"));
}

bool take(std::string_view attribute, std::string_view value, ClaimKind kind, ClientClaim& claim) {
  if (iequals(attribute, "ADDR")) return take_address(value, claim.address);
  if (iequals(attribute, "NAME")) return take_name(value, claim.name);
  if (iequals(attribute, "HELO")) return take_hello(value, claim.hello);
  if (iequals(attribute, "PROTO")) return take_protocol(value, claim);
  if (kind == ClaimKind::xclient && iequals(attribute, "LOGIN")) {
    claim.login = std::string(value);
    return value.size() <= kLoginMax;
  }
  if (!is_idle(attribute, kind)) return false;
  bool port = iequals(attribute, "PORT") || iequals(attribute, "DESTPORT");
  return !port || is_port(value);
}

void merge(ClientClaim&& said, ClientClaim& into) {
  if (said.address) into.address = std::move(said.address);
  if (said.name) {
    into.name = std::move(said.name);
    into.name_trouble = said.name_trouble;
  }
  if (said.hello) into.hello = std::move(said.hello);
  if (said.extended) into.extended = said.extended;
  if (said.login) into.login = std::move(said.login);
}

}  // namespace

// xclient-command = "XCLIENT" 1*( SP attribute-name "=" attribute-value )
Refusal parse_claim(std::string_view argument, ClaimKind kind, ClientClaim& claim) {
  if (argument.empty())
    return mail::Reply{501, {5, 5, 4}, "Syntax: attribute=value [attribute=value]"};
  ClientClaim said;
  for (std::string_view word : split(argument, ' ')) {
    if (word.empty()) continue;
    std::size_t equals = word.find('=');
    std::string_view attribute = word.substr(0, equals);
    if (equals == std::string_view::npos || !is_ascii(attribute))
      return mail::Reply{501, {5, 5, 4}, "Syntax: attribute=value [attribute=value]"};
    auto value = xtext_decode(word.substr(equals + 1));
    if (!value) return mail::Reply{501, {5, 5, 4}, "Bad attribute value"};
    bool trouble = iequals(*value, "[TEMPUNAVAIL]");
    if (is_unknown(*value)) value->clear();
    if (!take(attribute, *value, kind, said)) {
      bool shown = attribute.size() <= 16;
      for (char c : attribute) shown = shown && is_alnum(c);
      return bad_claim(shown ? attribute : "unknown");
    }
    if (iequals(attribute, "NAME")) said.name_trouble = trouble;
  }
  bool another = kind == ClaimKind::xclient && said.address && said.address != claim.address;
  if (another) claim = ClientClaim();
  merge(std::move(said), claim);
  return std::nullopt;
}

}  // namespace postwain::smtp
