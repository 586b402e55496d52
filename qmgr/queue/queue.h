// The queue as the loop sees it: joins router, scheduler, working set and store. Everything that
// changes a recipient goes through here, so the order "commit first, then tell" stands in one
// place.
//
// It speaks no protocol and knows no connections: intake.h hands it new messages, delivery.h takes
// leases from it and returns outcomes, control.h reads and acts.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/config/config.h"
#include "common/mail/queue_id.h"
#include "common/net/loop.h"
#include "common/rewrite/rewriter.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/disk/content_worker.h"
#include "qmgr/history/recorder.h"
#include "qmgr/model/wait.h"
#include "qmgr/queue/host_lacks.h"
#include "qmgr/queue/metrics.h"
#include "qmgr/routing/router.h"
#include "qmgr/scheduling/overflow_list.h"
#include "qmgr/scheduling/scheduler.h"
#include "qmgr/scheduling/working_set.h"
#include "qmgr/store/cpu_pressure.h"
#include "qmgr/store/queue_counts.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/store/store_worker.h"
#include "qmgr/verdicts/lent_before.h"
#include "qmgr/verdicts/notice_batch.h"
#include "qmgr/verdicts/observed_time.h"
#include "qmgr/verdicts/success_limit.h"
#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

constexpr std::size_t kRecoverDestinations = 500;    // read at once after start
constexpr std::size_t kCountMessages = 2000;         // of one stretch (queue_counts.h)
constexpr std::uint32_t kOutsideRecipients = 10000;  // of a message that is not in memory
constexpr std::size_t kMxSetsKnown = 20000;          // domains whose hosts are remembered
constexpr std::size_t kSuspensionsMax = 1000;
constexpr Duration kNoRoomPause = std::chrono::seconds(1);
constexpr std::size_t kRefillsAtOnce = 32;

// What an operator may ask for a message.
enum class Action : std::uint8_t { retry, cancel, hold, release, bounce };

class Queue {
 public:
  struct Hooks {
    std::function<void()> on_work;  // perhaps there is something to lease or to wake for
    std::function<void(bool full)> on_full;
    std::function<void(const StoreError&)> on_broken;
    // What became of a recipient, as the agent reported it.
    std::function<void(const mail::Address&, const mail::Outcome&)> on_outcome = nullptr;
    // lent_before() is complete.
    std::function<void()> on_left_known = nullptr;
  };

  Queue(net::Loop& loop, std::unique_ptr<QueueStore> store, ContentFolder files,
        ObservedTime observed, const config::Config& config, Hooks hooks);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // A new configuration: what is queued in memory is routed again.
  void configure(const config::Config& config);
  // Reads which destinations have work; nothing is scheduled from the store before.
  void recover();
  // Commits everything and closes the store.
  void finish();

  // Intake. The recipients' destinations are filled in here. done: after the sync.
  // What recipients stand for is worked out here, so one message may become several.
  void accept(NewMessage message, std::function<void(AcceptEnd)> done);
  void set_commits_wait(bool wait) { recorder_->set_commits_wait(wait); }
  void set_past_data(std::uint32_t sessions) { store_->set_past_data(sessions); }

  // Delivery. A lease's recipients are in place `leased` until their outcomes are settled.
  std::optional<Pick> next(Pool pool);
  WorkingMessage* find(mail::QueueId id) { return working_.find(id); }
  Routed route_of(WorkingMessage& message, const Job& job);
  // With the destination of its own where the recipient's domain is suspended (held_domains.h).
  Routed route(const mail::Address& recipient, const mail::Address& sender) const;
  // Neither suspended nor behind a breaker that holds. One whose time is over lets a try pass, or
  // with nothing queued nobody would ever find out that the destination is back.
  bool is_reachable(const std::string& destination);
  // Agents have died while they had it; it is to be tried alone.
  bool is_suspect(const Pick& pick);
  Pool pool_of(const Pick& pick) const;
  // The outcomes of some recipients of a lease; each recipient at most once.
  struct IndexedOutcome {
    std::uint32_t index;
    mail::Outcome outcome;
    bool crashed = false;  // the agent died: nobody gave this outcome
    // Not null: it cannot be delivered from here, whoever tries; held, and this is why.
    const char* held_for = nullptr;
  };
  // times: of the attempt so far.
  void settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes,
              const mail::StageTimes& times = {});
  // The lease is over, all its recipients are settled.
  void finished(const Pick& pick, const AttemptSummary& summary, const std::string& reason);
  // The hosts an agent found behind the destination.
  void note_mx_set(DestinationId id, const std::string& mx_set);
  void note_flight(DestinationId id, std::uint32_t messages) {
    scheduler_.note_flight(id, messages);
  }
  // A policy of routing by MX, and what is known of one.
  void keep_sts_policy(DestinationId id, const mail::StsPolicy& policy);
  std::optional<mail::StsPolicy> sts_policy(const mail::NextHop& hop) const;
  LackingHosts& lacking_hosts() { return lacking_hosts_; }
  void set_capacity(Pool pool, std::size_t leases) { scheduler_.set_capacity(pool, leases); }
  // What a former qmgr had lent, and what agents had whose connection was lost. Not complete before
  // on_left_known.
  LentBefore& lent_before() { return lent_before_; }
  bool left_known() const { return left_known_; }
  // Whether suspensions and breakers of a former qmgr have been read: nothing is leased before, or
  // mail would go where the operator does not want it to.
  bool holds_known() const { return holds_known_; }
  // Reports about recipients that are not in memory (late outcomes after a restart).
  void settle_late(mail::QueueId id, std::vector<IndexedOutcome> outcomes);
  // A former lease still runs elsewhere: not to be leased until unblock.
  void block(mail::QueueId id, const std::vector<std::uint32_t>& indices);
  void unblock(mail::QueueId id, const std::vector<std::uint32_t>& indices);
  void mark_damaged(mail::QueueId id);
  // The file of a content of that size, for reading; else why not (is_temporary: try again).
  void open_content(mail::QueueId id, std::uint64_t size,
                    std::function<void(Result<UniqueFd>)> done);
  // Content that is not in memory; nothing when it cannot be read.
  void read_content(mail::QueueId id, bool in_file, std::uint64_t offset, std::size_t length,
                    std::function<void(std::optional<std::string>)> done);

  // Control. done tells how many recipients were changed; who is the operator, for the history.
  // What an attempt that runs now will bring cannot be foreseen: such recipients stay as they are
  // and are returned, for act_later(), which acts on those that are still queued after its end.
  std::vector<std::uint32_t> act(Action action, const StoredMessage& message,
                                 const std::string& who, std::function<void(std::size_t)> done);
  void act_later(Action action, mail::QueueId id, std::vector<std::uint32_t> indices,
                 const std::string& who, std::function<void(std::size_t)> done);
  bool is_active(mail::QueueId id, std::uint32_t index);
  bool has_active(mail::QueueId id);
  static Pool pool_named(const std::string& key);  // of a destination
  // By a name of suspend_scope.h. False: there are too many already.
  bool suspend(Suspension suspension);
  bool resume(const std::string& name, const std::string& author);
  const std::map<std::string, Suspension>& suspensions() const { return suspensions_; }
  const Router& router() const { return *router_; }
  // Why nothing is sent to that destination now; nothing: something may be.
  std::optional<Wait> wait_at(const std::string& destination, WallTime now) const;
  std::string breaker_reason(const std::string& destination) const;
  StoreWorker& store() { return *store_; }
  History& history() { return recorder_->history(); }
  void watch(std::function<void(const Recorder::Live&)> watcher) {
    recorder_->watch(std::move(watcher));
  }

  // Both clocks; called every few seconds. True: the clock has jumped, and what is planned in
  // memory is wrong. The gap, if it is one, is on its way into the store.
  bool look_at_clock(WallTime now, MonoTime mono);

  void advance();  // time has passed: wakes what is due
  std::optional<WallTime> wake_at() const { return scheduler_.wake_at(); }

  const Scheduler& scheduler() const { return scheduler_; }
  const WorkingSet& working() const { return working_; }
  const QueueCounts& queue_counts() const { return queue_counts_; }
  // Asks the store which message is the oldest; oldest() tells it a moment later. Zero: none.
  void look_for_oldest();
  WallTime oldest() const { return queue_counts_.messages() > 0 ? oldest_ : WallTime{}; }
  Metrics& metrics() { return metrics_; }
  const config::Config& config() const { return config_; }
  ContentWorker& worker() { return *worker_; }
  void watch(CpuPressure cpu_pressure) { cpu_pressure_ = std::move(cpu_pressure); }
  // While a snapshot is made, files of settled messages stay (snapshot.h).
  void keep_files(bool keep);
  const ContentFolder& files() const { return files_; }
  mail::QueueId next_id() { return ids_.next(wall_now()); }

 private:
  using Leftovers = std::vector<AttemptJournal::Leftover>;
  void check_leftovers(std::shared_ptr<const Leftovers> left, std::size_t from);
  void wait_for_history();
  void read_destinations(std::string after);
  void read_breakers(std::string after);
  void read_sts_policies(std::string after);
  void read_mx_sets(std::string after);
  void read_suspensions(std::string after);
  void restore(const OpenBreaker& breaker);
  void keep_breaker(const std::string& key, const DestinationHealth& health,
                    const std::string& reason);
  void is_back(DestinationId id, const std::string& key);
  void recall_mx_set(DestinationId id, const std::string& key);
  void end_suspensions(WallTime now);
  void route_again(const std::function<bool(const WorkingRecipient&)>& meant);
  void keep_held(DestinationId id, const std::string& key);
  void free_domain(const std::string& domain);
  void count_stretch();
  void give_its_way(NewMessage& message);
  void share_content(std::unique_ptr<AcceptRequest> request);
  void remove_parts(const Submission& submission);
  void accepted(Submission submission, WallTime due, std::chrono::steady_clock::time_point began);
  void committed(NewMessage message, WallTime due);
  void count(NewMessage& message);
  void count(const SettleRequest& request);
  void offer_compact(NewMessage& message, WallTime due);
  std::vector<std::uint32_t> take_decided(NewMessage& message, WallTime now);
  void settle_decided(mail::QueueId id, const std::vector<std::uint32_t>& indices);
  void lend(const Pick& pick);
  void discard(const Pick& pick);
  void count_outcome(const WorkingMessage& message, const WorkingRecipient& r,
                     const mail::Outcome& outcome, WallTime now);
  void start_refills();
  void refill(Refill refill);
  // What a refill has read: rows, and fresh messages for which there was no place before.
  struct Refilled {
    DuePage page;
    std::vector<QueueReader::Compact> fresh;
    std::vector<OverflowList::Entry> unread;
    bool unpacked = false;  // some are rows by now, perhaps where reading has gone past already
  };
  static StoreResult<Refilled> read_refill(QueueStore& store, const Refill& refill, WallTime now,
                                           const std::vector<OverflowList::Entry>& waiting);
  struct RefillGroup;
  struct RefillJobs;
  void sort_into_jobs(RefillJobs& jobs);
  static void cut_groups(std::vector<RefillGroup>& groups);
  bool take_group(RefillGroup& group, QueueReader::Compact* fresh, WallTime now);
  bool is_held_elsewhere(const RefillGroup& group, const Refill& refill) const;
  void move(std::vector<MovedRecipient> moved);
  void refilled(const Refill& refill, Refilled read);
  void milestones_due();
  void put_off();
  void submit(Settlement settlement, const MessageInfo& info, std::vector<RecipientEvent> events,
              bool urgent, std::function<void(const Settled&)> done);
  void tell_if_complete(const WorkingMessage& message);
  void tell(mail::QueueId id);
  void tell_the_waiting(MonoTime now);
  void settled(SettleRequest& request, const std::function<void(const Settled&)>& done);
  void apply_late(const StoredMessage& message, const std::vector<IndexedOutcome>& outcomes,
                  std::function<void()> done);
  bool is_busy(mail::QueueId id, std::uint32_t index);
  void attempts_ended(mail::QueueId id);
  static std::optional<ChangeKind> change_for(Action action, RecipientState state);
  void remove_file(mail::QueueId id);
  // Recipients of a message that is one value in the store leave memory: only as rows are they
  // found again, as work of these destinations. due: of the rows, or before: reading may have gone
  // past them.
  void normalise(mail::QueueId id, std::vector<std::string> destinations, WallTime due);
  void normalise_rest(mail::QueueId after);
  QueueCounts::CountKey bin_of(const MessageInfo& info, const StoredRecipient& row);
  void log_events(const MessageInfo& info, const std::vector<RecipientEvent>& events) const;
  DestinationId destination(const Routed& routed);
  DestinationId destination_named(const std::string& key);
  RecipientFacts facts_of(const WorkingRecipient& recipient) const;
  RetryRules rules_for(const MessageInfo& info, const mail::Address& recipient) const;
  NoticeSettings notice_settings(const MessageInfo& info) const;
  std::vector<NoticeOrder> notices_for(const MessageInfo& info, std::vector<RecipientEvent> events);
  void leave_out_beyond_limit(const MessageInfo& info, std::vector<NoticeOrder>& orders);
  void give_notices_their_way(std::vector<NoticeOrder>& orders);
  Lifetimes lifetimes_of(const MessageInfo& info) const;
  static void log_held(mail::QueueId id, const RecipientFacts& facts,
                       const RecipientChange& change);
  static void log_null_sender_refused(mail::QueueId id, const RecipientFacts& facts,
                                      const mail::Outcome& outcome);
  WallTime milestone_of(const MessageInfo& info, bool warned) const;

  // An operator's command that waits for the end of attempts.
  struct Waiting {
    Action action;
    std::vector<std::uint32_t> indices;
    std::string who;
    std::function<void(std::size_t)> done;
  };

  net::Loop& loop_;
  config::Config config_;
  Hooks hooks_;
  ObservedTime observed_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<rewrite::Rewriter> rewriter_;
  Scheduler scheduler_;
  WorkingSet working_;
  OverflowList backlog_;
  CpuPressure cpu_pressure_;
  std::deque<Refill> refills_waiting_;  // for room in memory
  std::size_t refills_running_ = 0;
  QueueCounts queue_counts_;
  WallTime oldest_{};
  bool looking_for_oldest_ = false;
  Metrics metrics_;
  ContentFolder files_;
  mail::QueueIdSource ids_{0};  // worker 0 is qmgr itself
  std::unordered_map<mail::QueueId, std::set<std::uint32_t>> blocked_;
  std::unordered_multimap<mail::QueueId, Waiting> acts_waiting_;
  std::unordered_map<std::string, std::string> breaker_reasons_;
  LentBefore lent_before_;
  bool left_known_ = false;
  bool holds_known_ = false;
  NoticeBatch gather_;
  SuccessLimit success_limit_;
  net::Timer gather_timer_;
  net::Timer start_timer_;
  std::unordered_map<std::string, mail::StsPolicy> sts_policies_;  // by domain
  std::unordered_map<std::string, std::string> mx_sets_;           // hosts by destination
  std::map<std::string, Suspension> suspensions_;
  // Of the suspensions by domain: the destinations that were split off for each.
  std::map<std::string, std::set<std::string>> held_domains_;
  LackingHosts lacking_hosts_;
  bool keep_files_ = false;
  std::vector<mail::QueueId> kept_files_;  // to be removed afterwards
  WallTime clock_stored_at_{};
  bool finishing_ = false;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<ContentWorker> worker_;
  std::unique_ptr<StoreWorker> store_;
};

}  // namespace postwain::qmgr
