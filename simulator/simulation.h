// A pretended store, pretended agents and pretended peers around the real scheduler, retry policy
// and verdicts, in virtual time. Deterministic: the same scenario and seed give the same run.
//
// After every step it looks whether the promises hold: no recipient is lost or has two outcomes,
// windows, rates, shared limits, suspensions and memory are kept. What is broken stands in the
// report; the run goes on.
//
// A message is known by its number, a recipient by its place among all of the run.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "qmgr/scheduling/scheduler.h"
#include "qmgr/verdicts/verdict.h"

#include "simulator/report.h"
#include "simulator/scenario.h"

namespace postwain::simulator {

constexpr std::size_t kViolationsMax = 20;

class Simulation {
 public:
  Simulation(Scenario scenario, Source source);
  // Takes at most so many events; false: it has come to its end.
  bool run(std::uint64_t events = UINT64_MAX);
  Report report() const;

  // For tests, between calls of run().
  qmgr::Scheduler& scheduler() { return scheduler_; }
  WallTime now() const { return now_; }
  void suspend(std::uint32_t destination, WallTime until);

 private:
  enum class Phase : std::uint8_t { stored, queued, leased, settling, gone };
  struct Recipient {
    WallTime due{};
    WallTime greylisted_at{};
    std::uint32_t message = 0;
    std::uint32_t destination = 0;
    std::uint32_t mailbox = 0;
    std::uint16_t attempts = 0;
    bool broken_off = false;  // the last attempt
    Phase phase = Phase::stored;
    bool warned = false;
    bool tried = false;
  };
  struct Message {
    WallTime received_at{};
    std::uint32_t first = 0;  // its recipients stand together
    std::uint32_t count = 0;
    qmgr::TrafficClass traffic_class = qmgr::TrafficClass::interactive;
    bool null_sender = false;
    std::uint32_t sender = 0;
  };
  using Row = std::tuple<WallTime, std::uint32_t, std::uint32_t>;  // due, message, recipient
  struct Site {
    qmgr::DestinationId id = 0;
    bool named = false;  // the scheduler knows it
    bool associated = false;
    std::set<Row> rows;  // as the store has them
    std::uint32_t running = 0;
    std::deque<WallTime> starts;  // within the last rate period
    DestinationResult result;
    WallTime held_since{};
  };
  enum class Step : std::uint8_t { lease_ends, settled, refilled };
  struct Due {
    WallTime at;
    std::uint64_t number;  // in order of making
    Step step;
    std::uint32_t slot;
    bool operator>(const Due& other) const {
      return std::tie(at, number) > std::tie(other.at, other.number);
    }
  };
  struct Lease {
    qmgr::Pick pick;
    std::uint32_t site = 0;
    bool unreachable = false;
  };
  struct Settled {
    std::vector<std::uint32_t> recipients;
    std::vector<std::pair<std::uint32_t, qmgr::RecipientChange>> waits;
  };
  struct Read {
    qmgr::Refill refill;
    std::vector<std::uint32_t> rows;  // recipients
    std::vector<Row> keys;
    std::optional<WallTime> next_due;
  };

  void step_to(WallTime at);
  void arrive(const Arrival& arrival);
  void offer_message(std::uint32_t message, std::uint32_t first, std::uint32_t count);
  bool offer(std::uint32_t site, qmgr::Job job, qmgr::Scheduler::Source source);
  void pump();
  void start(qmgr::Pick pick);
  void check_start(const qmgr::Pick& pick, Site& site);
  void check_rate(std::deque<WallTime>& starts, const DestinationPlan& plan, const char* whose);
  void lease_ends(std::uint32_t slot);
  mail::Outcome outcome_for(const Recipient& recipient, const DestinationPlan& plan,
                            bool reachable);
  void judge(std::uint32_t recipient, const mail::Outcome& outcome, Settled& settled);
  void apply(std::uint32_t recipient, const qmgr::Verdict& verdict, Settled& settled);
  void milestones_due();
  void put_off();
  bool breaks_off(const Recipient& recipient, const DestinationPlan& plan) const;
  qmgr::Marks marks_of(const qmgr::Job& job) const;
  void settle(Settled settled);
  void settled(std::uint32_t slot);
  void read(qmgr::Refill refill);
  void refilled(std::uint32_t slot);
  void after(Duration pause, Step step, std::uint32_t slot);
  std::uint32_t site_of(qmgr::DestinationId id) const { return site_by_id_.at(id); }
  qmgr::DestinationId name(std::uint32_t site);
  const qmgr::MessageInfo& info_of(const Message& message);
  qmgr::RetryRules rules_for(const Message& message, const DestinationPlan& plan) const;
  WallTime milestone_of(const Message& message, bool warned) const;
  bool is_out(const DestinationPlan& plan) const;
  void expect(bool holds, const char* promise, const std::string& about);
  Hour& hour();
  double unit() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  template <class T>
  struct Slots {
    std::vector<T> items;
    std::vector<std::uint32_t> free;
    std::uint32_t put(T item) {
      if (free.empty()) {
        items.push_back(std::move(item));
        return static_cast<std::uint32_t>(items.size() - 1);
      }
      std::uint32_t slot = free.back();
      free.pop_back();
      items[slot] = std::move(item);
      return slot;
    }
    T take(std::uint32_t slot) {
      free.push_back(slot);
      return std::move(items[slot]);
    }
  };

  Scenario scenario_;
  Source source_;
  std::mt19937_64 random_;
  qmgr::Scheduler scheduler_;
  WallTime now_{};
  std::optional<Arrival> next_arrival_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::uint64_t due_number_ = 0;
  std::vector<Message> messages_;
  std::vector<Recipient> recipients_;
  std::vector<Site> sites_;
  std::unordered_map<qmgr::DestinationId, std::uint32_t> site_by_id_;
  std::map<std::string, std::deque<WallTime>> set_starts_;
  std::map<std::uint32_t, std::uint32_t> routes_running_;
  Slots<Lease> leases_;
  Slots<Settled> settled_;
  Slots<Read> reads_;
  std::array<std::size_t, qmgr::kPools> running_{};
  qmgr::MessageInfo info_;
  std::vector<std::uint32_t> delays_;  // of the delivered, in milliseconds, at most 2^32
  std::uint64_t open_ = 0;
  Report report_;
};

}  // namespace postwain::simulator
