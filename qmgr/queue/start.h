// The start of the queue, as one list of steps: what a former qmgr left behind is known before
// anybody gets a message, and what an operator holds is known before anything is leased. Where
// several nodes share the queue, parts of it that come later go through the same steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "qmgr/destinations/breakers.h"
#include "qmgr/destinations/mx_sets.h"
#include "qmgr/destinations/sts_policies.h"
#include "qmgr/entering/suspensions.h"
#include "qmgr/judging/judging.h"
#include "qmgr/leaving/late_outcomes.h"
#include "qmgr/leaving/leasing.h"
#include "qmgr/queue/queue_totals.h"

namespace postwain::qmgr {

constexpr std::size_t kStartPage = 500;  // facts or records of one read
constexpr Duration kHistoryWaitMax = std::chrono::seconds(2);

class Start {
 public:
  struct Parts {
    MxSets& mx_sets;
    StsPolicies& sts_policies;
    Breakers& breakers;
    Destinations& destinations;
    Suspensions& suspensions;
    PutBack& put_back;
    LateOutcomes& late_outcomes;
    Leasing& leasing;
    Judging& judging;
    QueueTotals& totals;
  };
  Start(QueueCore& core, Parts parts)
      : core_(core), parts_(parts), history_alarm_(core.clock.alarm()) {}

  // Nothing is scheduled from the store before. Each step begins when the one before is done.
  void begin();
  // Attempts of former terms in our bags, before begin().
  void inherit(std::vector<AttemptName> names) { inherited_ = std::move(names); }
  // These bags have come; names: attempts in them that their former owner may have made. They are
  // opened when those are in doubt. Then done. former: the name of that owner, for the history.
  void enter(std::uint64_t bags, std::vector<AttemptName> names, std::string former,
             std::function<void()> done);
  // Before the queue ends.
  void stop() { history_alarm_->stop(); }

  // Leasing::lent_before is complete.
  bool left_known() const { return step_ > kLeftoversStep; }
  // Suspensions and breakers of a former qmgr have been read: nothing is leased before, or mail
  // would go where the operator does not want it to.
  bool holds_known() const { return step_ > kBreakersStep; }
  bool complete() const { return step_ >= kStepCount; }

 private:
  using Leftovers = std::vector<AttemptJournal::Leftover>;
  using Step = void (Start::*)();
  // In this order. Counting and normalising only begin at theirs: nothing waits for them.
  static const Step kSteps[];
  static const Step kRoundSteps[];
  static constexpr std::size_t kLeftoversStep = 2;
  static constexpr std::size_t kBreakersStep = 7;
  static constexpr std::size_t kStepCount = 9;

  void count();
  void normalise();
  void check_leftovers();
  void check_entered();
  void wait_for_history();
  void read_sts_policies();
  void read_mx_sets();
  void read_suspensions();
  void read_breakers();
  void read_destinations();
  struct DestinationCursor {
    std::optional<unsigned> bag;  // nothing: all of them
    std::string after;
  };
  struct DestinationPage {
    std::vector<DueDestination> found;
    bool has_bags = false;
  };
  void read_destinations_from(DestinationCursor from);
  std::optional<unsigned> next_bag(unsigned from) const;
  void take_destination(const DueDestination& due);

  void next();
  void next_round();
  // The bags that a step reads; nothing: all that are ours.
  std::optional<std::uint64_t> scope() const;
  void normalise_after(mail::QueueId after, std::optional<std::uint64_t> scope);
  void check_leftovers_from(std::shared_ptr<const Leftovers> left, std::size_t from);
  void settle_leftovers(const Leftovers& left, std::size_t from,
                        const std::vector<std::optional<StoredMessage>>& found);
  template <class Fact, class ReadPage, class Take>
  void read_pages(std::string after, ReadPage read_page, Take take, std::string Fact::*key);

  QueueCore& core_;
  Parts parts_;
  std::unique_ptr<Alarm> history_alarm_;
  std::size_t step_ = 0;  // that is under way
  std::vector<AttemptName> inherited_;
  struct Round {
    std::uint64_t bags = 0;
    std::vector<AttemptName> names;
    std::string former;
    std::function<void()> done;
  };
  std::unordered_set<DestinationId> read_again_;  // destinations, in this round
  std::deque<Round> rounds_;                      // the first one is under way where complete()
  std::size_t round_step_ = 0;
};

}  // namespace postwain::qmgr
