#include "qmgr/store/postgres/session/bag_places.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

#include "queue-schema/pg_migrations.h"

namespace postwain::qmgr {

namespace {

// The upper half of a product with the golden ratio is even for ids that follow each other.
std::int16_t bag_by_hash(mail::QueueId id, const BagList& bags) {
  std::uint64_t hash = id.value * 0x9E3779B97F4A7C15ULL;
  hash ^= hash >> 29;
  hash *= 0xBF58476D1CE4E5B9ULL;
  return bags[static_cast<std::size_t>((hash >> 32) * bags.size() >> 32)];
}

}  // namespace

BagList every_bag() {
  BagList bags;
  for (std::int16_t bag = 0; bag < queue_schema::kBags; ++bag) bags.push_back(bag);
  return bags;
}

std::string bytes_of(const BagList& bags) {
  std::string bytes;
  for (std::int16_t bag : bags) bytes += static_cast<char>(bag);
  return bytes;
}

std::optional<BagList> bags_of(std::string_view bytes) {
  BagList bags;
  for (char c : bytes) {
    if (c < 0 || c >= queue_schema::kBags) return std::nullopt;
    bags.push_back(c);
  }
  return bags;
}

BagPlaces::BagPlaces(BagList open, std::vector<BagList> former, BagList all)
    : open_(std::move(open)), former_(std::move(former)), all_(std::move(all)) {
  PW_CHECK(!open_.empty());
  std::erase_if(former_, [this](const BagList& one) { return one.empty() || one == open_; });
  anywhere_ = former_.size() >= kPlacementsMax;
}

std::int16_t BagPlaces::for_new(mail::QueueId id) const {
  return bag_by_hash(id, open_);
}

BagList BagPlaces::candidates(mail::QueueId id) const {
  BagList found{for_new(id)};
  auto add = [&found](std::int16_t bag) {
    if (std::find(found.begin(), found.end(), bag) == found.end()) found.push_back(bag);
  };
  if (anywhere_)
    for (std::int16_t bag : all_) add(bag);
  else
    for (const BagList& set : former_) add(bag_by_hash(id, set));
  return found;
}

}  // namespace postwain::qmgr
