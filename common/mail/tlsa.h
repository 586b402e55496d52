// TLSA records (RFC 6698, RFC 7671) as values, and which of them SMTP can use (RFC 7672 3.1).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::mail {

struct Tlsa {
  std::uint8_t usage = 0;     // 2: DANE-TA, 3: DANE-EE; others are not for SMTP
  std::uint8_t selector = 0;  // 0: whole certificate, 1: its public key
  std::uint8_t matching = 0;  // 0: as it is, 1: SHA-256, 2: SHA-512
  std::string data;
  bool operator==(const Tlsa&) const = default;
};

// Parameters we know, and a digest that has its length.
inline bool is_usable(const Tlsa& record) {
  if (record.usage < 2 || record.usage > 3 || record.selector > 1) return false;
  switch (record.matching) {
    case 0:
      return !record.data.empty();
    case 1:
      return record.data.size() == 32;
    case 2:
      return record.data.size() == 64;
    default:
      return false;
  }
}

inline bool any_usable(const std::vector<Tlsa>& records) {
  return std::any_of(records.begin(), records.end(), is_usable);
}

}  // namespace postwain::mail
