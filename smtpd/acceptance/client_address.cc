#include "smtpd/acceptance/client_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace postwain::smtpd {

namespace {

bool parse_ipv6(std::string_view text, unsigned char (&bytes)[16]) {
  return inet_pton(AF_INET6, std::string(text).c_str(), bytes) == 1;
}

std::string ipv6_text(const unsigned char (&bytes)[16]) {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(AF_INET6, bytes, text, sizeof text) == nullptr ? std::string() : text;
}

}  // namespace

std::string plain_address(std::string_view address) {
  address = address.substr(0, address.find('%'));
  unsigned char bytes[16];
  if (address.find(':') == std::string_view::npos || !parse_ipv6(address, bytes))
    return std::string(address);
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::memcmp(bytes, kMapped, sizeof kMapped) != 0) return ipv6_text(bytes);
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, bytes + 12, text, sizeof text) == nullptr ? std::string() : text;
}

std::string address_literal(std::string_view plain) {
  std::string out = plain.find(':') == std::string_view::npos ? "[" : "[IPv6:";
  out += plain;
  out += ']';
  return out;
}

std::string client_key(std::string_view plain) {
  unsigned char bytes[16];
  if (plain.find(':') == std::string_view::npos || !parse_ipv6(plain, bytes))
    return std::string(plain);
  std::memset(bytes + 8, 0, 8);
  return ipv6_text(bytes) + "/64";
}

std::string client_site(std::string_view plain) {
  unsigned char bytes[16];
  plain = plain.substr(0, plain.find('/'));
  if (plain.find(':') == std::string_view::npos || !parse_ipv6(plain, bytes)) return {};
  std::memset(bytes + 6, 0, 10);
  return ipv6_text(bytes) + "/48";
}

}  // namespace postwain::smtpd
