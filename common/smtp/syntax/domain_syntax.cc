#include "common/smtp/syntax/domain_syntax.h"

#include <arpa/inet.h>

#include <string>

#include "common/base/text.h"
#include "common/smtp/syntax/server_limits.h"

namespace postwain::smtp {

namespace {

bool is_let_dig(char c) {
  return is_alnum(c) || c == '_' || static_cast<unsigned char>(c) > 127;
}

// sub-domain = Let-dig [Ldh-str]    Ldh-str = *( ALPHA / DIGIT / "-" ) Let-dig
bool is_sub_domain(std::string_view label) {
  if (label.empty() || label.size() > kDomainLabelMax) return false;
  if (!is_let_dig(label.front()) || !is_let_dig(label.back())) return false;
  for (char c : label)
    if (!is_let_dig(c) && c != '-') return false;
  return true;
}

bool is_ip(int family, std::string_view text) {
  unsigned char bytes[16];
  return text.find('\0') == std::string_view::npos &&
         inet_pton(family, std::string(text).c_str(), bytes) == 1;
}

}  // namespace

// Domain = sub-domain *("." sub-domain)
bool is_domain(std::string_view text) {
  if (text.size() > kDomainMax) return false;
  for (;;) {
    std::size_t dot = text.find('.');
    if (!is_sub_domain(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  return true;
}

// address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"
// IPv4-address-literal = Snum 3("." Snum)    IPv6-address-literal = "IPv6:" IPv6-addr
bool is_address_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return false;
  text = text.substr(1, text.size() - 2);
  if (istarts_with(text, "IPv6:")) return is_ip(AF_INET6, text.substr(5));
  return is_ip(AF_INET, text);
}

// ehlo = "EHLO" SP ( Domain / address-literal )
// A final dot is harmless and some resolvers leave it there.
bool is_hello_name(std::string_view text) {
  if (is_address_literal(text)) return true;
  if (text.size() > 1 && text.back() == '.') text.remove_suffix(1);
  return is_ascii(text) && is_domain(text);
}

std::string harmless_hello(std::string_view said) {
  if (said.empty()) return std::string(kNoHello);
  std::string out(said.substr(0, kHelloMax));
  // Cut inside of a character or not UTF-8 from the start: only its ASCII is kept.
  bool utf8 = is_valid_utf8(out);
  for (char& c : out) {
    auto octet = static_cast<unsigned char>(c);
    if (octet < 32 || octet == 127 || (octet > 127 && !utf8)) c = '?';
  }
  return out;
}

std::string hello_for_trace(std::string_view said) {
  std::string out = harmless_hello(said);
  constexpr std::string_view kPlain = "!#$%&*+-./:=?[]^_{|}~";
  for (char& c : out)
    if (!is_alnum(c) && kPlain.find(c) == std::string_view::npos) c = '?';
  return out;
}

}  // namespace postwain::smtp
