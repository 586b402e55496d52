// After the start: what a former qmgr left under way, which destinations have work, how much there
// is. (MX sets and suspensions: queue_destinations.cc.)
#include "common/log/log.h"

#include "qmgr/queue/queue.h"
#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kLeftOfOneRead = 500;
constexpr std::size_t kUnpackedOfOneRead = 500;
constexpr Duration kHistoryWaitMax = std::chrono::seconds(2);

// What is left of an outcome whose commit a kill came before: that it was a delivery.
mail::Outcome reported_before(bool dsn_passed_on) {
  mail::Outcome outcome;
  outcome.disposition = mail::Disposition::delivered;
  outcome.stage = mail::Stage::final_reply;
  outcome.reply = {250,
                   {2, 0, 0},
                   "delivered, as was reported just before the queue manager was killed; the reply "
                   "itself is not known"};
  outcome.dsn_passed_on = dsn_passed_on;
  return outcome;
}

}  // namespace

void Queue::recover() {
  normalise_rest({});
  check_leftovers(std::make_shared<Leftovers>(recorder_->leftovers()), 0);
  store_->read([this](QueueStore& store) -> StoreWorker::Completion {
    StoreResult<mail::QueueId> last = store.scan().last_id();
    mail::QueueId id = last ? *last : mail::QueueId{};
    return [this, id] {
      queue_counts_.start(id);
      ids_.pass(id, wall_now());
      count_stretch();
    };
  });
}

// What was being delivered when a former qmgr was killed.
void Queue::normalise_rest(mail::QueueId after) {
  store_->read([this, after](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<StoreResult<std::vector<QueueReader::CompactSummary>>>(
        QueueReader(store).compact_summaries(after, kUnpackedOfOneRead));
    return [this, found] {
      if (!*found) return hooks_.on_broken(found->error());
      if ((*found)->empty() || finishing_) return;
      mail::QueueId last = (*found)->back().id;
      for (QueueReader::CompactSummary& one : **found)
        normalise(one.id, std::move(one.destinations), one.due);
      normalise_rest(last);
    };
  });
}

void Queue::read_breakers(std::string after) {
  store_->read([this, after = std::move(after)](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<StoreResult<std::vector<OpenBreaker>>>(
        store.destinations().breakers(after, kRecoverDestinations));
    return [this, found] {
      if (!*found) return hooks_.on_broken(found->error());
      for (const OpenBreaker& breaker : **found) restore(breaker);
      if ((*found)->size() == kRecoverDestinations)
        return read_breakers((*found)->back().destination);
      holds_known_ = true;
      read_destinations({});
    };
  });
}

void Queue::read_destinations(std::string after) {
  store_->read([this, after = std::move(after)](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<StoreResult<std::vector<DueDestination>>>(
        store.waiting().destinations(after, kRecoverDestinations));
    return [this, found] {
      if (!*found) return hooks_.on_broken(found->error());
      WallTime now = wall_now();
      for (const DueDestination& due : **found)
        scheduler_.due_at(destination_named(due.destination), due.due_at, now);
      if ((*found)->size() == kRecoverDestinations) read_destinations((*found)->back().destination);
      hooks_.on_work();
    };
  });
}

void Queue::look_for_oldest() {
  if (finishing_ || std::exchange(looking_for_oldest_, true)) return;
  store_->read([this](QueueStore& store) -> StoreWorker::Completion {
    StoreResult<mail::QueueId> first = store.scan().first_id();
    return [this, first] {
      looking_for_oldest_ = false;
      if (!first) return hooks_.on_broken(first.error());
      oldest_ = first->value != 0 ? first->made_at() : WallTime{};
    };
  });
}

void Queue::count_stretch() {
  if (queue_counts_.complete() || finishing_) return;
  store_->read([this, after = queue_counts_.cursor(),
                last = queue_counts_.last()](QueueStore& store) -> StoreWorker::Completion {
    Counts counts;
    StoreResult<std::optional<mail::QueueId>> end =
        QueueWalk(store).count(after, last, kCountMessages, counts);
    if (!end) return [this, error = end.error()] { hooks_.on_broken(error); };
    return [this, end = *end, counts] {
      if (end) queue_counts_.counted(*end, counts);
      if (!end) queue_counts_.finished();
      count_stretch();
    };
  });
}

// Who may have got a copy already is told to the history before anybody gets a second one.
void Queue::check_leftovers(std::shared_ptr<const Leftovers> left, std::size_t from) {
  if (from >= left->size()) {
    left_known_ = true;
    if (hooks_.on_left_known) hooks_.on_left_known();
    return wait_for_history();
  }
  std::size_t end = std::min(left->size(), from + kLeftOfOneRead);
  store_->read([=, this](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<std::vector<std::optional<StoredMessage>>>();
    for (std::size_t i = from; i < end; ++i) {
      auto message = QueueReader(store).message((*left)[i].id, (*left)[i].index, 1);
      if (!message) return [this, error = message.error()] { hooks_.on_broken(error); };
      found->push_back(message.take());
    }
    return [=, this] {
      WallTime now = wall_now();
      std::map<mail::QueueId, std::vector<IndexedOutcome>> delivered;
      for (std::size_t i = from; i < end; ++i) {
        const AttemptJournal::Leftover& one = (*left)[i];
        const std::optional<StoredMessage>& message = (*found)[i - from];
        bool there = message && !message->recipients.empty() &&
                     message->recipients.front().index == one.index;
        // What was reported as delivered is settled here; of the others an agent may tell yet.
        if (there && one.delivered) {
          delivered[one.id].push_back({one.index, reported_before(one.dsn_passed_on)});
        } else if (there) {
          lent_before_.add(one.id, one.index, pool_named(message->recipients[0].destination));
          recorder_->left_queued(message->info, message->recipients[0], one.doubt, now);
        } else {
          recorder_->leftover_gone(one, now);
        }
      }
      for (auto& [id, outcomes] : delivered) settle_late(id, std::move(outcomes));
      check_leftovers(left, end);
    };
  });
}

// A history that hangs does not hold up the mail for longer than this.
void Queue::wait_for_history() {
  auto go_on = [this, went = std::make_shared<bool>(false)] {
    if (std::exchange(*went, true) || finishing_) return;
    start_timer_.stop();
    read_sts_policies({});
  };
  start_timer_.start(kHistoryWaitMax, go_on);
  recorder_->history().flush(go_on);
}

}  // namespace postwain::qmgr
