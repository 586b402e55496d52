// Names of groups in the database, and what a node's row says of them.
#include <algorithm>

#include "qmgr/cluster/place_shares.h"

namespace postwain::qmgr::cluster {

namespace {

// key, wanted, waited, flags, nothing: 16 octets, numbers in network order.
constexpr std::size_t kWantOctets = 16;
constexpr unsigned kLacks = 1;
constexpr unsigned kStarves = 2;
constexpr unsigned kOver = 4;

void put_number(std::string& out, std::uint64_t number, unsigned octets) {
  for (unsigned i = octets; i-- > 0;) out += static_cast<char>((number >> (8 * i)) & 0xFFU);
}

std::uint64_t take_number(std::string_view& in, unsigned octets) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < octets; ++i) number = number << 8U | static_cast<unsigned char>(in[i]);
  in.remove_prefix(octets);
  return number;
}

}  // namespace

std::string place_key(const std::string& group) {
  return bounded_key(kPlaceKeys, group, kPlaceKeyMax);
}

std::string wants_text(std::span<const PlaceWant> wants) {
  std::string out;
  for (const PlaceWant& one : wants) {
    put_number(out, one.key, 8);
    put_number(out, one.wanted, 4);
    put_number(out, one.waited, 2);
    put_number(out,
               (one.lacks ? kLacks : 0) | (one.starves ? kStarves : 0) | (one.over ? kOver : 0), 2);
  }
  return out;
}

std::optional<std::vector<PlaceWant>> read_wants(std::string_view text) {
  if (text.size() % kWantOctets != 0 || text.size() > kWantsMax * kWantOctets) return std::nullopt;
  std::vector<PlaceWant> wants;
  while (!text.empty()) {
    PlaceWant one;
    one.key = take_number(text, 8);
    one.wanted = static_cast<std::uint32_t>(take_number(text, 4));
    one.waited = static_cast<std::uint16_t>(take_number(text, 2));
    const std::uint64_t flags = take_number(text, 2);
    if (flags > (kLacks | kStarves | kOver)) return std::nullopt;
    one.lacks = (flags & kLacks) != 0;
    one.starves = (flags & kStarves) != 0;
    one.over = (flags & kOver) != 0;
    wants.push_back(one);
  }
  return wants;
}

}  // namespace postwain::qmgr::cluster
