// One node's part in rates that hold over all nodes (pace.h): of each key the slices that it has
// taken, how long its next step is off, and what it wants of the table (qmgr/store/pace_table.h).
// Pure: whoever waits asks here, answers of the table come in, wishes come out.
//
// A slice has as many steps as this node uses in two seconds, and lasts a second at most. While
// steps are used the next one is asked for when less than half a second of them is left, so that a
// node that has a key to itself never waits for the table. Where very many keys want steps at once
// slices last longer, so that the table keeps up.
//
// Where steps are seconds apart (kSlowGap) none is taken before it is due: the node looks where the
// row stands, waits, and takes the step then. So a node that dies, or whose mail goes elsewhere,
// costs the others nothing.
//
// A step that nobody has used lateness() behind its moment is lost. So over any time the steps of
// all nodes together are at most those of the rate over that time and lateness(), one more, and
// what became due while an answer was under way.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qmgr/cluster/pace.h"

namespace postwain::qmgr::cluster {

constexpr std::size_t kPaceKeysAtOnce = 200;  // of one call
constexpr std::size_t kPaceKeysMax = 20'000;  // that are remembered
constexpr Duration kSliceSpan = std::chrono::seconds(1);
constexpr Duration kSliceSpanMax = std::chrono::seconds(10);
constexpr Duration kSliceAhead = std::chrono::milliseconds(500);
constexpr Duration kSlowGap = std::chrono::seconds(5);
constexpr Duration kPaceIdle = std::chrono::minutes(2);     // then a key is forgotten
constexpr Duration kPaceCrowded = std::chrono::seconds(1);  // where no more keys are remembered

// For how long after its moment a step may be used: for the burst and a tenth of a second, which a
// busy node may be late; where that is shorter for one gap, up to a second.
Duration lateness(const Rate& rate, Duration burst);

class PaceShares {
 public:
  struct Wish {
    std::string key;
    Duration burst{};
    Duration span{};
    Duration most{};
  };

  // As SharedRates::wait(). Never longer than what wishes have as `most`.
  std::optional<Duration> wait(const std::string& key, const Rate& rate, Duration burst,
                               BootTime now);
  void take(const std::string& key);

  // Something is wanted, and no call is under way.
  bool wants() const { return asked_.empty() && !line_.empty(); }
  // What to ask the table for now, kPaceKeysAtOnce at most; those that have waited longest come
  // first. answered() or lost() comes before it is called again.
  std::vector<Wish> ask(BootTime now);
  // For each wish, in their order: where the row stood, seen from the database's present.
  void answered(std::span<const Duration> aheads, BootTime now);
  // Nobody knows what became of the wishes: they are made again.
  void lost();
  // Nothing is known or wanted any more.
  void clear();
  // Keys that nobody has asked for are forgotten.
  void forget_idle(BootTime now);
  std::size_t size() const { return keys_.size(); }

 private:
  struct Key {
    Rate rate;
    Duration burst{};
    std::deque<Slice> slices;         // two at most
    std::uint32_t used = 0;           // steps of the first one that are used or lost
    std::optional<BootTime> free_at;  // of a slow key: when the row's next step is due
    bool in_line = false;
    bool asked = false;        // by the call that is under way
    std::uint32_t wished = 0;  // steps of that wish; none: it only looks
    Duration span{};           // of these
    BootTime waited_at{};      // when somebody has last waited for it
    BootTime wished_at{};
    std::uint32_t used_since = 0;  // steps, since the last wish
  };
  static bool is_slow(const Rate& rate) { return time_of(rate, 1) >= kSlowGap; }
  Key* find_or_make(const std::string& name, BootTime now);
  static void change(Key& key, const Rate& rate, Duration burst, BootTime now);
  static bool is_next_due_soon(const Key& key, BootTime now);
  void want(const std::string& name, Key& key);
  std::optional<Duration> wait_slow(const std::string& name, Key& key, BootTime now);
  static void drop_late(Key& key, BootTime now);
  static std::uint64_t wanted(const Key& key, Duration longest, BootTime now);
  static Wish make_wish(const std::string& name, Key& key, Duration longest, BootTime now);

  std::map<std::string, Key> keys_;
  std::deque<std::string> line_;    // keys that want steps, each once
  std::vector<std::string> asked_;  // of the call that is under way
  BootTime looked_at_{};            // for idle keys, because there was no room
};

}  // namespace postwain::qmgr::cluster
