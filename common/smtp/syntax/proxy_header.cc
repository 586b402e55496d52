#include "common/smtp/syntax/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <vector>

#include "common/base/text.h"

namespace postwain::smtp {

namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedPart = 16;
constexpr std::string_view kLineStart = "PROXY ";

std::uint8_t octet(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}
std::uint16_t number(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

bool starts_like(std::string_view bytes, std::string_view start) {
  std::size_t size = std::min(bytes.size(), start.size());
  return bytes.substr(0, size) == start.substr(0, size);
}

// Only what inet_pton takes, so no zone and no leading zeros.
bool take_address(int family, std::string_view text, std::string& out) {
  unsigned char bytes[16];
  char written[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof written) return false;
  if (inet_pton(family, std::string(text).c_str(), bytes) != 1) return false;
  out = inet_ntop(family, bytes, written, sizeof written);
  return true;
}

bool take_port(std::string_view text, std::uint16_t& port) {
  if (text.size() > 1 && text.front() == '0') return false;
  auto value = parse_decimal<std::uint16_t>(text);
  if (value) port = *value;
  return value.has_value();
}

// "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n", "PROXY UNKNOWN\r\n" (and anything behind it).
ProxyParse parse_line(std::string_view bytes, ProxyHeader& header) {
  std::size_t end = bytes.substr(0, kProxyLineMax).find("\r\n");
  if (end == std::string_view::npos)
    return bytes.size() < kProxyLineMax ? ProxyParse::incomplete : ProxyParse::bad;
  std::string_view line = bytes.substr(0, end);
  if (line.find('\0') != std::string_view::npos) return ProxyParse::bad;
  header.size = end + 2;
  std::vector<std::string_view> words = split(line, ' ');
  if (words.size() >= 2 && words[1] == "UNKNOWN") return ProxyParse::whole;
  if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return ProxyParse::bad;
  int family = words[1] == "TCP4" ? AF_INET : AF_INET6;
  std::string ours;
  std::uint16_t our_port = 0;
  bool good = take_address(family, words[2], header.client) &&
              take_address(family, words[3], ours) && take_port(words[4], header.client_port) &&
              take_port(words[5], our_port);
  return good ? ProxyParse::whole : ProxyParse::bad;
}

void take_binary_address(int family, std::string_view addresses, ProxyHeader& header) {
  std::size_t size = family == AF_INET ? 4 : 16;
  char written[INET6_ADDRSTRLEN];
  header.client = inet_ntop(family, addresses.data(), written, sizeof written);
  header.client_port = number(addresses, 2 * size);
}

ProxyParse parse_binary(std::string_view bytes, ProxyHeader& header) {
  if (bytes.size() < kFixedPart) return ProxyParse::incomplete;
  std::size_t length = number(bytes, 14);
  std::uint8_t version = octet(bytes, 12) >> 4;
  std::uint8_t command = octet(bytes, 12) & 15;
  std::uint8_t family = octet(bytes, 13) >> 4;
  std::uint8_t transport = octet(bytes, 13) & 15;
  if (version != 2 || command > 1 || family > 3 || transport > 2) return ProxyParse::bad;
  if (kFixedPart + length > kProxyHeaderMax) return ProxyParse::bad;
  bool tcp = command == 1 && transport == 1;
  if (tcp && family == 1 && length < 12) return ProxyParse::bad;
  if (tcp && family == 2 && length < 36) return ProxyParse::bad;
  if (bytes.size() < kFixedPart + length) return ProxyParse::incomplete;
  header.size = kFixedPart + length;
  std::string_view addresses = bytes.substr(kFixedPart, length);
  if (tcp && family == 1) take_binary_address(AF_INET, addresses, header);
  if (tcp && family == 2) take_binary_address(AF_INET6, addresses, header);
  return ProxyParse::whole;
}

}  // namespace

ProxyParse parse_proxy_header(std::string_view bytes, ProxyHeader& header) {
  header = ProxyHeader();
  if (bytes.empty()) return ProxyParse::incomplete;
  if (starts_like(bytes, kSignature)) {
    if (bytes.size() < kSignature.size()) return ProxyParse::incomplete;
    return parse_binary(bytes, header);
  }
  if (!starts_like(bytes, kLineStart)) return ProxyParse::bad;
  return parse_line(bytes, header);
}

}  // namespace postwain::smtp
