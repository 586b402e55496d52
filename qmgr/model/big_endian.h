// Numbers as SQLite's file format writes them.
#pragma once

#include <cstdint>

namespace postwain::qmgr {

inline std::uint16_t big_endian16(const char* bytes) {
  const auto* b = reinterpret_cast<const unsigned char*>(bytes);
  return static_cast<std::uint16_t>(b[0] << 8 | b[1]);
}

inline std::uint32_t big_endian32(const char* bytes) {
  return std::uint32_t{big_endian16(bytes)} << 16 | big_endian16(bytes + 2);
}

}  // namespace postwain::qmgr
