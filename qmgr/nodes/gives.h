// Bags that this node is giving away, and how far each is. First no new message gets an id of it;
// after kGiveNotice, when clients have ended what they had begun, it is closed: nothing of it is
// taken or lent any more. When all that was lent of it has ended, it is written to its next owner.
// What does not end within kGiveAtMost keeps the bag where it is. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/time.h"

#include "qmgr/cluster/balance.h"

namespace postwain::qmgr {

constexpr Duration kGiveNotice = std::chrono::seconds(3);
constexpr Duration kGiveAtMost = std::chrono::seconds(60);

constexpr std::uint64_t bit_of(cluster::BagNumber bag) {
  return std::uint64_t{1} << bag.value;
}

class Gives {
 public:
  enum class Stage : std::uint8_t { announced, closed, sent };
  struct One {
    cluster::Give give;
    MonoTime since{};
    Stage stage = Stage::announced;
  };

  void add(const cluster::Give& give, MonoTime now) { gives_.push_back({give, now}); }
  // Those whose notice is over, which are closed from now on. Not yet: bags with recipients in
  // doubt, whose names would keep them here.
  std::uint64_t close_due(MonoTime now, std::uint64_t not_yet);
  // Of the closed ones those that are ready to be written, each once until retry(). used: bags
  // with something under way.
  std::vector<cluster::Give> take_ready(std::uint64_t used);
  void retry(cluster::BagNumber bag);
  void end(cluster::BagNumber bag);
  // Those that took too long; they are no gives any more.
  std::vector<cluster::Give> take_late(MonoTime now);

  bool empty() const { return gives_.empty(); }
  std::uint64_t all() const;
  std::uint64_t closed() const;

 private:
  std::vector<One> gives_;
};

}  // namespace postwain::qmgr
