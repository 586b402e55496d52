// HMAC-SHA-256, of which the first 128 bits are taken: names in a table that somebody outside fills
// must not be made to collide, and the table is to tell nobody who writes to whom. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postwain::filter {

struct HashKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  auto operator<=>(const HashKey&) const = default;
};

using HashSecret = std::array<unsigned char, 16>;

class KeyedHash {
 public:
  explicit KeyedHash(const HashSecret& secret) : secret_(secret) {}
  HashKey operator()(std::string_view octets) const;
  const HashSecret& secret() const { return secret_; }

 private:
  HashSecret secret_;
};

}  // namespace postwain::filter
