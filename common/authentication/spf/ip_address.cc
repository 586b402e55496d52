#include "common/authentication/spf/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>

namespace postwain::authentication::spf {

namespace {

constexpr std::size_t kAddressTextMax = INET6_ADDRSTRLEN;

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

}  // namespace

std::optional<IpAddress> IpAddress::parse_ipv4(std::string_view text) {
  IpAddress address;
  if (text.size() >= kAddressTextMax || text.find('\0') != std::string_view::npos) return {};
  if (inet_pton(AF_INET, std::string(text).c_str(), address.octets_.data()) != 1) return {};
  return address;
}

std::optional<IpAddress> IpAddress::parse_ipv6(std::string_view text) {
  IpAddress address;
  address.ipv6_ = true;
  if (text.size() >= kAddressTextMax || text.find('\0') != std::string_view::npos) return {};
  if (inet_pton(AF_INET6, std::string(text).c_str(), address.octets_.data()) != 1) return {};
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (auto address = parse_ipv4(text)) return address;
  auto address = parse_ipv6(text);
  if (!address) return {};
  bool mapped = std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address->octets_.begin());
  if (!mapped) return address;
  IpAddress inner;
  std::copy(address->octets_.begin() + kMappedPrefix.size(), address->octets_.end(),
            inner.octets_.begin());
  return inner;
}

bool IpAddress::is_within(const IpAddress& network, unsigned bits) const {
  if (ipv6_ != network.ipv6_) return false;
  bits = std::min(bits, ipv6_ ? 128U : 32U);
  unsigned whole = bits / 8;
  if (!std::equal(octets_.begin(), octets_.begin() + whole, network.octets_.begin())) return false;
  unsigned rest = bits % 8;
  if (rest == 0) return true;
  return (octets_[whole] ^ network.octets_[whole]) >> (8 - rest) == 0;
}

std::string IpAddress::text() const {
  char out[kAddressTextMax];
  const char* text = inet_ntop(ipv6_ ? AF_INET6 : AF_INET, octets_.data(), out, sizeof out);
  return text == nullptr ? std::string() : std::string(text);
}

std::string IpAddress::dotted() const {
  if (!ipv6_) return text();
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (std::uint8_t octet : octets_) {
    out += {kDigits[octet >> 4U], '.', kDigits[octet & 15U], '.'};
  }
  out.pop_back();
  return out;
}

}  // namespace postwain::authentication::spf
