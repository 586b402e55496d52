// The breakers of all nodes that share a queue, kept in step with this one's by the keeper: what
// happens here is written for the others, what they wrote is done here, and each trial of a
// half-open breaker is asked for.
//
// The table is the truth. What was written is read again like the writing of others, so that two
// nodes that open a breaker at once end with the same hold. While something of a breaker is still
// to be written, nothing is believed of it. Without the database no trial begins, and breakers stay
// as they are; what happened meanwhile is written later.
//
// All on the loop, but for what runs within the keeper's jobs.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "qmgr/destinations/breakers.h"
#include "qmgr/store/breaker_table.h"
#include "qmgr/store/keeper_service.h"

namespace postwain::qmgr {

constexpr Duration kTrialAgain = std::chrono::seconds(3);   // after a refusal
constexpr Duration kTrialUnused = std::chrono::seconds(5);  // then it is given back

class SharedBreakers final : public BreakerSharing {
 public:
  // It outlives the keeper's jobs: whoever owns it ends the keeper first.
  SharedBreakers(Clock& clock, KeeperService& keeper, Breakers& breakers)
      : clock_(clock), keeper_(keeper), breakers_(breakers) {}

  void put(const OpenBreaker& breaker, bool opens_it) override;
  void remove(const std::string& key) override;
  void want_trials(const std::vector<std::string>& keys) override;

  // A beat was answered, once the start is complete. mark: changes when a node has written
  // breakers (FactsMark).
  void beat(std::int64_t mark);

 private:
  struct Pending {
    std::optional<OpenBreaker> open;  // nothing: it is closed
    bool opens_it = false;
  };
  // What one job is to do, and what has come of it.
  struct Work {
    std::map<std::string, Pending> writes;
    std::vector<BreakerTable::Wish> wishes;
    std::vector<std::string> ends;
    std::optional<BreakerCursor> read;
    bool forget = false;
    WallTime now{};
  };
  struct Done {
    Work work;
    StoreStatus written;
    StoreResult<BreakerTable::Trials> trials{BreakerTable::Trials{}};
    StoreStatus ended;
    std::vector<SharedBreaker> changed;
    BreakerCursor next;
    bool all_read = false;
  };
  static Done carry_out(BreakerTable& table, Work work);
  static void read_changes(BreakerTable& table, Done& done);
  Work take_work();
  void go_on();
  void done(Done done);
  void written(Done& done);
  void asked(const Done& done);
  void ended(const Done& done);
  void apply(const SharedBreaker& breaker);
  void give_back_unused();
  void forget_known(std::int64_t before);

  Clock& clock_;
  KeeperService& keeper_;
  Breakers& breakers_;
  std::map<std::string, Pending> pending_;
  std::set<std::string> wishes_;
  std::set<std::string> ends_;              // trials that are given back
  std::map<std::string, WallTime> trials_;  // granted; when they were last in use
  // The number of the state that is in force here, of breakers that are open.
  std::unordered_map<std::string, std::int64_t> known_;
  std::optional<std::int64_t> mark_;
  BreakerCursor cursor_;
  bool to_read_ = false;
  WallTime forgot_at_{};
  bool busy_ = false;
};

}  // namespace postwain::qmgr
