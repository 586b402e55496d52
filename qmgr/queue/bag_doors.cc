#include "qmgr/queue/bag_doors.h"

#include <algorithm>
#include <utility>

namespace postwain::qmgr {

void BagDoors::begin(std::uint64_t own) {
  core_.closed_bags = ~own;
  core_.ids.keep_to(own);
}

// A message is named by its id alone, so all of its recipients are meant.
void BagDoors::close(std::uint64_t bags) {
  core_.closed_bags |= bags;
  for (mail::QueueId id : core_.working.ids())
    if (id.is_in(bags))
      put_back_.withdraw(*core_.working.find(id), [](const WorkingRecipient&) { return true; });
  core_.overflow.drop(bags);
}

bool BagDoors::is_used(std::uint64_t bags) const {
  const std::vector<mail::QueueId> ids = core_.working.ids();
  return judging_.any_in(bags) ||
         std::any_of(ids.begin(), ids.end(), [bags](mail::QueueId id) { return id.is_in(bags); });
}

void BagDoors::open_again(std::uint64_t bags) {
  start_.enter(bags, {}, {}, nullptr);
}

void BagDoors::open(std::uint64_t bags, std::vector<AttemptName> names, std::function<void()> done,
                    std::string former) {
  start_.enter(bags, std::move(names), std::move(former), [this, done = std::move(done)] {
    totals_.restart();
    if (done) done();
  });
}

}  // namespace postwain::qmgr
