// An IP address as SPF compares it and writes it into names (RFC 7208 5, 7.3).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::authentication::spf {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0

  // Of a client or of an answer of the DNS: an IPv4 address that is mapped into IPv6 is the IPv4
  // address (RFC 7208 5). Nothing when the text is no address.
  static std::optional<IpAddress> parse(std::string_view text);
  // As they stand in a record: no leading zeros, no parts left out, and what is written as IPv6
  // stays IPv6.
  static std::optional<IpAddress> parse_ipv4(std::string_view text);
  static std::optional<IpAddress> parse_ipv6(std::string_view text);

  bool is_ipv6() const { return ipv6_; }
  // Of the same family, and the first bits are the same. bits: 32 or 128 at most.
  bool is_within(const IpAddress& network, unsigned bits) const;

  // "192.0.2.1", "2001:db8::1": what the macro "c" stands for.
  std::string text() const;
  // What the macro "i" stands for: "192.0.2.1"; of IPv6 each of the 32 hexadecimal digits by
  // itself, with dots between them.
  std::string dotted() const;

 private:
  std::array<std::uint8_t, 16> octets_{};  // of IPv4 the first four
  bool ipv6_ = false;
};

}  // namespace postwain::authentication::spf
