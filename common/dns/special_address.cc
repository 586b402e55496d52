#include "common/dns/special_address.h"

#include <arpa/inet.h>

#include <cstdint>
#include <cstring>

namespace postwain::dns {

namespace {

struct Block4 {
  std::uint32_t network;
  int prefix;
};

constexpr std::uint32_t ip4(unsigned a, unsigned b, unsigned c, unsigned d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Block4 kBlocks4[] = {
    {ip4(0, 0, 0, 0), 8},       // "this network"; connects to the own host
    {ip4(10, 0, 0, 0), 8},      // private
    {ip4(100, 64, 0, 0), 10},   // carrier-grade NAT
    {ip4(127, 0, 0, 0), 8},     // loopback
    {ip4(169, 254, 0, 0), 16},  // link-local, cloud metadata services
    {ip4(172, 16, 0, 0), 12},   // private
    {ip4(192, 0, 0, 0), 24},    // protocol assignments
    {ip4(192, 88, 99, 0), 24},  // relays of 6to4, given up by RFC 7526
    {ip4(192, 168, 0, 0), 16},  // private
    {ip4(198, 18, 0, 0), 15},   // benchmarks
    {ip4(224, 0, 0, 0), 3},     // multicast, reserved, broadcast
};

bool is_special4(std::uint32_t address) {
  for (const Block4& block : kBlocks4)
    if ((address ^ block.network) >> (32 - block.prefix) == 0) return true;
  return false;
}

std::uint32_t read4(const unsigned char* bytes) {
  return ip4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

bool is_special6(const unsigned char (&b)[16]) {
  static constexpr unsigned char kZero[12] = {};
  static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  static constexpr unsigned char kNat64[12] = {0, 0x64, 0xFF, 0x9B};
  // ::, ::1 and the old ::a.b.c.d; mapped and translated addresses are what they wrap.
  if (std::memcmp(b, kZero, 12) == 0) return true;
  if (std::memcmp(b, kMapped, 12) == 0 || std::memcmp(b, kNat64, 12) == 0)
    return is_special4(read4(b + 12));
  if (b[0] == 0x20 && b[1] == 0x02) return is_special4(read4(b + 2));  // 6to4
  // Teredo, benchmarks, ORCHID, anycast of protocols: 2001::/23.
  bool assignments = b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xFE) == 0;
  // Among the others: private, link-local, site-local, multicast, discard-only (100::/64), SRv6
  // (5f00::/16), local translation (64:ff9b:1::/48).
  bool global_unicast = (b[0] & 0xE0) == 0x20;
  return assignments || !global_unicast;
}

}  // namespace

bool is_special_address(const std::string& address) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) return is_special4(read4(bytes));
  if (inet_pton(AF_INET6, address.c_str(), bytes) == 1) return is_special6(bytes);
  return true;
}

}  // namespace postwain::dns
