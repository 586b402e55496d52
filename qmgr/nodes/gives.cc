#include "qmgr/nodes/gives.h"

#include <algorithm>

namespace postwain::qmgr {

std::uint64_t Gives::close_due(MonoTime now, std::uint64_t not_yet) {
  std::uint64_t due = 0;
  for (One& one : gives_) {
    if (one.stage != Stage::announced || now - one.since < kGiveNotice) continue;
    if ((not_yet & bit_of(one.give.bag)) != 0) continue;
    one.stage = Stage::closed;
    due |= bit_of(one.give.bag);
  }
  return due;
}

std::vector<cluster::Give> Gives::take_ready(std::uint64_t used) {
  std::vector<cluster::Give> ready;
  for (One& one : gives_) {
    if (one.stage != Stage::closed || (used & bit_of(one.give.bag)) != 0) continue;
    one.stage = Stage::sent;
    ready.push_back(one.give);
  }
  return ready;
}

void Gives::retry(cluster::BagNumber bag) {
  for (One& one : gives_)
    if (one.give.bag == bag && one.stage == Stage::sent) one.stage = Stage::closed;
}

void Gives::end(cluster::BagNumber bag) {
  std::erase_if(gives_, [bag](const One& one) { return one.give.bag == bag; });
}

std::vector<cluster::Give> Gives::take_late(MonoTime now) {
  std::vector<cluster::Give> late;
  std::erase_if(gives_, [&](const One& one) {
    bool is_late = one.stage != Stage::sent && now - one.since >= kGiveAtMost;
    if (is_late) late.push_back(one.give);
    return is_late;
  });
  return late;
}

std::uint64_t Gives::all() const {
  std::uint64_t bags = 0;
  for (const One& one : gives_) bags |= bit_of(one.give.bag);
  return bags;
}

std::uint64_t Gives::closed() const {
  std::uint64_t bags = 0;
  for (const One& one : gives_)
    if (one.stage != Stage::announced) bags |= bit_of(one.give.bag);
  return bags;
}

}  // namespace postwain::qmgr
