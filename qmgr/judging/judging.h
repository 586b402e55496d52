// Mail that comes into being on this machine and waits for its filters (unjudged.h): what sendmail
// and pickup bring, and our own notices, where the `on` of a filter names them.
//
// Such a message is stored as it came, and its submitter has heard 250. It is never lent to a
// client. The filters are asked about it from the store, a few messages at a time, as if it came in
// an SMTP session of this machine with itself. What they make of it takes its place in one
// transaction, and then it goes on its way:
//   kept or changed   accepted as any message is, its recipients are expanded and routed now
//   held              the same, held for the operator
//   refused           its sender gets a notice with the words of the filter
//   discarded         it is gone; history and log say so
//   put off           it waits, longer each time, until its lifetime is over
// Whatever ends in between (qmgr, `filter`, the filter itself) leaves it unjudged, and it is judged
// again: a filter may see a message twice, and never misses one. An operator who holds or cancels
// it meanwhile goes before the filters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"

#include "qmgr/entering/acceptance.h"
#include "qmgr/judging/filter_port.h"
#include "qmgr/leaving/settling.h"
#include "qmgr/shared/content_access.h"
#include "qmgr/shared/retry_terms.h"

namespace postwain::qmgr {

constexpr std::size_t kJudgedAtOnce = 20;
constexpr std::uint32_t kJudgedRecipientsMax = 100'000;  // of one message; no more are accepted
// After a start or a restart `filter` may take so long to come, before it counts as down.
constexpr Duration kFilterGrace = std::chrono::seconds(10);
constexpr Duration kFilterLookAgain = std::chrono::milliseconds(500);
constexpr Duration kStorePause =
    std::chrono::seconds(5);  // the store could not take what came of it
// So often may `filter` go while a message is judged; then that counts as a failure.
constexpr std::uint32_t kFilterLossesMax = 3;

class Judging {
 public:
  Judging(QueueCore& core, const RetryTerms& terms, Acceptance& acceptance, Settling& settling,
          ContentAccess& content);

  // Outlives it, or null: nobody asks.
  void set_port(FilterPort* port) { port_ = port; }
  // Something may wait that is due. Costs a read of the store.
  void look();
  // The filters can be asked again.
  void filters_up();
  // An operator has held or ended recipients of it: what its filters say now counts for nothing.
  void operator_acted(mail::QueueId id);
  void stop();

  std::size_t running() const { return running_.size(); }
  // Whether one is judged whose id is of these bags.
  bool any_in(std::uint64_t bags) const {
    return std::any_of(running_.begin(), running_.end(),
                       [bags](const auto& run) { return run.first.is_in(bags); });
  }
  bool is_judged_now(mail::QueueId id) const { return running_.contains(id); }
  // Why nothing is asked now; empty: it is.
  std::string trouble() const;
  // What an operator hears of a message that is due.
  std::string reason_of(mail::QueueId id) const;

 private:
  using MessagePtr = std::shared_ptr<const UnjudgedMessage>;
  struct Found {
    std::optional<UnjudgedMessage> message;
    std::optional<WallTime> next_due;
  };
  static StoreResult<Found> find(QueueStore& store, WallTime now,
                                 const std::vector<mail::QueueId>& running);

  void found(StoreResult<Found> found);
  void begin(const MessagePtr& waiting);
  bool waits_for_process(const MessagePtr& waiting);
  void take_back(const MessagePtr& waiting, const Judged& judged);
  void fall_back(const MessagePtr& waiting);
  void judged(const MessagePtr& waiting, Judged judged);
  void note(const MessagePtr& waiting, const ipc::FilterResult& result);
  void refuse_some(const MessagePtr& waiting, Judged judged);
  void lost(const MessagePtr& waiting);
  void ask_again();
  void ask(const MessagePtr& waiting);
  void conclude(const MessagePtr& waiting, Judged judged);
  void go_on(const MessagePtr& waiting, Judged judged);
  void accept(const MessagePtr& waiting, NewMessage message);
  void accepted(const MessagePtr& waiting, const NewMessage& message, AcceptEnd end);
  void discard(const MessagePtr& waiting, const std::string& filter);
  void hold(const MessagePtr& waiting, const char* why);
  void settle(const MessagePtr& waiting, const mail::Outcome& outcome);
  // Null: nothing is decided of that recipient.
  using OutcomeFor = std::function<const mail::Outcome*(const StoredRecipient&)>;
  using Done = std::function<void(const Settled&)>;
  void settle_each(const MessagePtr& waiting, const OutcomeFor& outcome_for, Done done);
  void submit(const MessagePtr& waiting, std::vector<RecipientChange> changes,
              std::vector<RecipientEvent> events, Done done);
  void ended(mail::QueueId id);
  void look_later(Duration after);

  QueueCore& core_;
  const RetryTerms& terms_;
  Acceptance& acceptance_;
  Settling& settling_;
  ContentAccess& content_;
  FilterPort* port_ = nullptr;
  std::unique_ptr<Alarm> alarm_;
  struct Run {
    std::uint32_t losses = 0;  // how often `filter` went
    bool overruled = false;    // by an operator
  };
  std::map<mail::QueueId, Run> running_;
  std::vector<MessagePtr> lost_;  // of them, those that wait for `filter` to come back
  std::unique_ptr<Alarm> lost_alarm_;
  bool reading_ = false;
  bool again_ = false;  // something may have come since that read began
  std::optional<MonoTime> down_since_;
};

}  // namespace postwain::qmgr
