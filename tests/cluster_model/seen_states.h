// The hashes of the states that were seen, in one table without pointers.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/cluster_model/model.h"

namespace postwain::cluster_model {

inline std::uint64_t hash_of(const State& state) {
  constexpr std::size_t kWords = sizeof(State) / 8;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&state);
  std::uint64_t hash = 0x243f6a8885a308d3U;
  auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 29U;
  };
  for (std::size_t i = 0; i < kWords; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i * 8, 8);
    mix(word);
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, bytes + kWords * 8, sizeof(State) % 8);
  mix(rest);
  hash = (hash ^ (hash >> 32U)) * 0xd6e8feb86659fd93U;
  hash ^= hash >> 32U;
  return hash != 0 ? hash : 1;  // 0 marks a free place
}

class SeenStates {
 public:
  // Room for so many, at less than two thirds full.
  explicit SeenStates(std::uint64_t most) : places_(std::bit_ceil(most + most / 2 + 16)) {}

  // False if it was there.
  bool add(std::uint64_t hash) {
    std::uint64_t mask = places_.size() - 1;
    for (std::uint64_t at = hash & mask;; at = (at + 1) & mask) {
      if (places_[at] == hash) return false;
      if (places_[at] != 0) continue;
      places_[at] = hash;
      return true;
    }
  }

 private:
  std::vector<std::uint64_t> places_;
};

}  // namespace postwain::cluster_model
