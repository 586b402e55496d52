// What one node concludes from its beats: who is dead, which bags are to be adopted or given away,
// and whether its own term goes on. A pure object: rows, and readings of the node's own
// CLOCK_BOOTTIME, come in; decisions come out. It knows no database. Each decision is carried out
// by a statement that checks the condition under which it was made, so a decision that comes too
// late does nothing, and one that was not carried out is made again at the next beat.
//
// A node is dead when its beat has stood still for Timing::silence of the observer's good time.
// Time is good while the observer's own beats are answered promptly (Timing::prompt). When they are
// not, the silence of all nodes is counted from zero again, because the database may have stood
// still for all of them. No clock of another machine is looked at.
//
// Call beat_sent() when a beat is sent, and beat_ended() with its end before the next one is sent.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qmgr/cluster/balance.h"
#include "qmgr/cluster/rendezvous.h"
#include "qmgr/cluster/timing.h"
#include "qmgr/cluster/values.h"

namespace postwain::qmgr::cluster {

// How a beat ended. fenced: the node's row was not there under its term. away: no answer, or one
// that says nothing: an error, a warning at COMMIT, a lost connection.
enum class BeatEnd : std::uint8_t { ok, fenced, away };

struct BeatReport {
  BeatEnd end = BeatEnd::away;
  BootTime answered{};
  // What the beat read in its own transaction, for ok.
  std::span<const NodeRow> nodes;
  std::span<const BagRow> bags;
  // Of the node itself: the messages in each of its bags, by number of the bag; and whether it has
  // more work than it can do.
  std::span<const std::uint64_t> messages;
  bool busy = false;
};

// End the term of this node, if it still has this very term and beat.
struct Fence {
  NodeNumber node;
  Term term;
  Beat beat;
  bool operator==(const Fence&) const = default;
};
// Take these bags over, if they still belong to `from` and that node is gone. Without `from`: bags
// that have had no owner yet.
struct Adopt {
  std::optional<NodeNumber> from;
  BagSet bags;
  bool operator==(const Adopt&) const = default;
};

// live: the node works. unsure: its word is too old; it lends nothing, sends no end of data and
// takes no mail (451) until the next word. fenced: its term has been ended; the process ends.
enum class Standing : std::uint8_t { live, unsure, fenced };

struct Decisions {
  std::vector<Fence> fence;
  std::vector<Adopt> adopt;
  std::vector<Give> give;
  BagSet own;            // the bags of the node, by all that it knows; none when fenced
  bool drained = false;  // it drains, and has no bag any more
};

class Membership {
 public:
  // A registration that was answered: the node's number and term, and when it was sent.
  struct Self {
    NodeNumber node;
    Term term;
    BootTime registered{};
  };
  // What is remembered of another node.
  struct Watched {
    Term term;
    Beat beat;
    // For how long its beat has stood still in good time; it stops growing where a longer time
    // would change nothing. It begins below zero, because the rows may have been read at any moment
    // up to the answer.
    Duration quiet{};
    bool seen = false;
  };
  struct Memory {
    std::array<Watched, kNodes> nodes{};
    Word word;
    BootTime sent{};        // the beat under way, or the last one
    Duration step{};        // from the sending of the beat before it
    bool counting = false;  // the last own beat was a good one
    bool fenced = false;
    BagSet held;    // own bags, as of the last beat and the moves since
    BagSet moved;   // moves acknowledged since the beat under way was sent
    BagSet giving;  // gives decided and not ended
    BootTime next_give{};
    std::optional<BootTime> busy_since;
  };

  explicit Membership(const Self& self, const Timing& timing = kTiming);
  // Continues from the memory of another one, which is its whole state: for tests that try many
  // continuations of one state.
  Membership(const Self& self, const Timing& timing, const Memory& memory);
  const Memory& memory() const { return memory_; }

  void beat_sent(BootTime now);
  Decisions beat_ended(const BeatReport& report);

  // A transaction that brought this bag to this node, or gave it to another, was acknowledged. Rows
  // that a beat sent before that has read are not believed about this bag.
  void bag_came(BagNumber bag);
  void bag_went(BagNumber bag);
  // A bag was not given after all, because attempts in it did not end in time. It may be decided
  // again.
  void give_ended(BagNumber bag);
  // A transaction failed because token or term were not the node's own any more.
  void fence_met() { memory_.fenced = true; }

  Standing standing(BootTime now) const;

 private:
  void take_rows(const BeatReport& report);
  void note_silence(const BeatReport& report);
  void note_bags(std::span<const BagRow> bags);
  std::vector<Candidate> survivors(std::span<const NodeRow> nodes) const;
  bool silent(const NodeRow& row, Duration beyond) const;
  void decide_fences(std::span<const NodeRow> nodes, Decisions& out) const;
  void decide_adoptions(const BeatReport& report, Decisions& out) const;
  void give_surplus(const BeatReport& report, std::vector<Holder> all, Decisions& out);
  void decide_gives(const BeatReport& report, Decisions& out);
  std::vector<Holder> holders(const BeatReport& report) const;
  std::optional<BagNumber> bag_to_give(const BeatReport& report, bool fullest) const;
  bool busy_for_long(const BeatReport& report);

  Self self_;
  Timing timing_;
  Memory memory_;
};

}  // namespace postwain::qmgr::cluster
