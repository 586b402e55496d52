#include "filter/deciding/keyed_hash.h"

#include <bit>

namespace postwain::filter {

namespace {

std::uint64_t load(const unsigned char* octets, std::size_t count) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < count; ++i) out |= std::uint64_t{octets[i]} << (8 * i);
  return out;
}

struct State {
  std::uint64_t v0, v1, v2, v3;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  std::uint64_t sum() const { return v0 ^ v1 ^ v2 ^ v3; }
};

}  // namespace

HashKey KeyedHash::operator()(std::string_view octets) const {
  std::uint64_t k0 = load(secret_.data(), 8);
  std::uint64_t k1 = load(secret_.data() + 8, 8);
  State state{k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL ^ 0xee,
              k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL};
  const auto* at = reinterpret_cast<const unsigned char*>(octets.data());
  std::size_t left = octets.size();
  for (; left >= 8; left -= 8, at += 8) state.take(load(at, 8));
  state.take(load(at, left) | std::uint64_t{octets.size()} << 56U);
  state.v2 ^= 0xee;
  state.rounds(4);
  HashKey out;
  out.low = state.sum();
  state.v1 ^= 0xdd;
  state.rounds(4);
  out.high = state.sum();
  return out;
}

}  // namespace postwain::filter
