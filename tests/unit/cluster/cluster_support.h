// A node that watches a cluster of rows in virtual time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qmgr/cluster/membership.h"

namespace postwain::test {

using namespace std::chrono_literals;
namespace cluster = qmgr::cluster;

inline cluster::BootTime boot(Duration since_start) {
  return cluster::BootTime(since_start);
}
inline cluster::NodeNumber node(unsigned number) {
  return cluster::NodeNumber{static_cast<std::uint8_t>(number)};
}
inline cluster::BagNumber bag(unsigned number) {
  return cluster::BagNumber{static_cast<std::uint8_t>(number)};
}
inline cluster::BagSet bags(std::initializer_list<unsigned> numbers) {
  cluster::BagSet set;
  for (unsigned number : numbers) set.add(bag(number));
  return set;
}

// The rows, and one Membership that reads them every half second.
class Watcher {
 public:
  Watcher(unsigned nodes, unsigned self) : number(self), member({node(self), {7}, boot(0ms)}) {
    for (unsigned i = 0; i < nodes; ++i) {
      cluster::NodeRow row;
      row.id = node(i);
      row.term = {7};
      row.state = cluster::NodeState::live;
      row.beat = {100};
      rows.push_back(row);
    }
    for (unsigned i = 0; i < cluster::kBags; ++i) owners.push_back({bag(i), node(i % nodes)});
  }

  // One beat of the watcher; `living` are the others that have beaten since its last one.
  cluster::Decisions beat(std::initializer_list<unsigned> living = {}, Duration takes = 1ms) {
    rows[number].beat.value += 1;
    for (unsigned i : living) rows[i].beat.value += 1;
    member.beat_sent(boot(now));
    auto decisions = end(cluster::BeatEnd::ok, takes);
    now += std::max<Duration>(500ms, takes);
    return decisions;
  }
  void lose_beat(Duration takes = 500ms) {
    member.beat_sent(boot(now));
    end(cluster::BeatEnd::away, takes);
    now += std::max<Duration>(500ms, takes);
  }
  cluster::Decisions end(cluster::BeatEnd how, Duration takes) {
    cluster::BeatReport report;
    report.end = how;
    report.answered = boot(now + takes);
    report.nodes = rows;
    report.bags = owners;
    report.messages = messages;
    report.busy = busy;
    return member.beat_ended(report);
  }
  // Beats until somebody's term is to be ended; how long that took, 0 when it never was.
  Duration until_fence(std::initializer_list<unsigned> living, Duration at_most) {
    Duration begin = now;
    while (now - begin <= at_most) {
      Duration sent = now;
      if (!beat(living).fence.empty()) return sent - begin;
    }
    return 0ms;
  }

  unsigned number;
  Duration now = 0ms;
  bool busy = false;
  std::vector<cluster::NodeRow> rows;
  std::vector<cluster::BagRow> owners;
  std::vector<std::uint64_t> messages = std::vector<std::uint64_t>(cluster::kBags, 10);
  cluster::Membership member;
};

}  // namespace postwain::test
