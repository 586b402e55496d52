#include "common/smtp/syntax/xclient_attributes.h"

#include <arpa/inet.h>

#include "common/base/text.h"
#include "common/smtp/syntax/domain_syntax.h"
#include "common/smtp/syntax/xtext.h"

namespace postwain::smtp {

namespace {

constexpr std::size_t kLoginMax = 255;

mail::Reply bad_claim(std::string_view attribute) {
  return {501, {5, 5, 4}, "Bad " + std::string(attribute) + " attribute"};
}

bool is_unknown(std::string_view value) {
  return iequals(value, "[UNAVAILABLE]") || iequals(value, "[TEMPUNAVAIL]");
}

// "192.0.2.1", "IPV6:2001:db8::1"; "[…]" of it must be an address literal. False: it is none.
bool take_address(std::string_view value, std::optional<std::string>& out) {
  if (value.empty()) {
    out.emplace();
    return true;
  }
  if (!is_address_literal("[" + std::string(value) + "]")) return false;
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

void take_name(std::string_view value, std::optional<std::string>& out) {
  bool good = !value.empty() && value.front() != '[' && is_hello_name(value);
  out = good ? to_lower(value) : std::string();
}

void take_protocol(std::string_view value, ClientClaim& claim) {
  if (iequals(value, "SMTP") || iequals(value, "ESMTP")) claim.extended = iequals(value, "ESMTP");
}

// A name that is none belongs to nobody.
void take_login(std::string_view value, std::optional<std::string>& out) {
  bool good = value.size() <= kLoginMax;
  for (char c : value) good = good && c >= 32 && c <= 126;
  out = good ? std::string(value) : std::string();
}

// Attributes that are of no use to us.
bool is_idle(std::string_view attribute, ClaimKind kind) {
  bool xclient = kind == ClaimKind::xclient;
  return iequals(attribute, "PORT") || (xclient && iequals(attribute, "DESTADDR")) ||
         (xclient && iequals(attribute, "DESTPORT")) || (!xclient && iequals(attribute, "IDENT")) ||
         (!xclient && iequals(attribute, "SOURCE"));
}

// False: there is no such attribute.
bool take(std::string_view attribute, std::string_view value, ClaimKind kind, ClientClaim& claim) {
  bool xclient = kind == ClaimKind::xclient;
  if (iequals(attribute, "ADDR")) {
    if (!take_address(value, claim.address) && xclient) claim.address.emplace();
  } else if (iequals(attribute, "NAME")) {
    take_name(value, claim.name);
  } else if (iequals(attribute, "HELO")) {
    claim.hello = value.empty() ? std::string() : harmless_hello(value);
  } else if (iequals(attribute, "PROTO")) {
    take_protocol(value, claim);
  } else if (xclient && iequals(attribute, "LOGIN")) {
    take_login(value, claim.login);
  } else {
    return is_idle(attribute, kind);
  }
  return true;
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
    std::string value = xtext_octets(word.substr(equals + 1));
    bool trouble = iequals(value, "[TEMPUNAVAIL]");
    if (is_unknown(value)) value.clear();
    if (!take(attribute, value, kind, said)) {
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
