// How much of a common room one of those who use it at the moment may take.
#pragma once

#include <algorithm>
#include <cstddef>

namespace postwain {

struct SharedRoom {
  std::size_t total;  // octets that all are to take together,
  std::size_t least;  // as long as each can have that much,
  std::size_t most;   // and none needs more
};

// For so many users. It shrinks as they become more; those who were there before keep what they
// have taken until they are done with it, so for n users who come one after the other and give
// nothing back the sum is total * (1 + ln(n * most / total)), and not total.
constexpr std::size_t fair_share(const SharedRoom& room, std::size_t users) {
  return std::clamp(room.total / std::max<std::size_t>(users, 1), room.least, room.most);
}

}  // namespace postwain
