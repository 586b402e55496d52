#include "qmgr/queue/start.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "qmgr/model/unjudged.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/store/scoped_bags.h"

namespace postwain::qmgr {

namespace {

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

const Start::Step Start::kSteps[] = {
    &Start::count,             // how much there is
    &Start::normalise,         // compact records become rows: only these are found by destination
    &Start::check_leftovers,   // what was being delivered when a former qmgr was killed
    &Start::wait_for_history,  // who may have got a copy is recorded before anybody gets a second
    &Start::read_sts_policies,
    &Start::read_mx_sets,
    &Start::read_suspensions,
    &Start::read_breakers,
    &Start::read_destinations,  // which destinations have work
};

const Start::Step Start::kRoundSteps[] = {
    &Start::check_entered,
    &Start::wait_for_history,
    &Start::normalise,
    &Start::read_destinations,
};

void Start::begin() {
  static_assert(std::size(kSteps) == kStepCount);
  (this->*kSteps[0])();
}

void Start::next() {
  if (core_.finishing) return;
  if (!complete()) {
    if (++step_ < kStepCount) return (this->*kSteps[step_])();
    core_.hooks.on_work();
    return next_round();
  }
  if (++round_step_ < std::size(kRoundSteps)) return (this->*kRoundSteps[round_step_])();
  Round round = std::move(rounds_.front());
  rounds_.pop_front();
  core_.hooks.on_work();
  if (round.done) round.done();
  next_round();
}

void Start::next_round() {
  if (rounds_.empty()) return;
  round_step_ = 0;
  (this->*kRoundSteps[0])();
}

void Start::enter(std::uint64_t bags, std::vector<AttemptName> names, std::string former,
                  std::function<void()> done) {
  rounds_.push_back({bags, std::move(names), std::move(former), std::move(done)});
  if (complete() && rounds_.size() == 1) next_round();
}

std::optional<std::uint64_t> Start::scope() const {
  if (!complete()) return std::nullopt;
  return rounds_.front().bags;
}

// Pages of facts in the order of their key, until one is not full; then the next step. take returns
// false where no more are wanted.
template <class Fact, class ReadPage, class Take>
void Start::read_pages(std::string after, ReadPage read_page, Take take, std::string Fact::*key) {
  read_then(
      core_.store,
      [after, read_page, scope = scope()](QueueStore& store) {
        ScopedBags only(store, scope);
        return read_page(store, after);
      },
      [this, read_page, take, key](StoreResult<std::vector<Fact>> page) {
        if (!page) return core_.hooks.on_broken(page.error());
        if (core_.finishing) return;
        bool more = page->size() == kStartPage;
        std::string last = page->empty() ? std::string() : page->back().*key;
        for (Fact& fact : *page) more = take(std::move(fact)) && more;
        if (more) return read_pages<Fact>(std::move(last), read_page, take, key);
        next();
      });
}

// --- the steps -------------------------------------------------------------------------------

void Start::count() {
  read_then(
      core_.store, [](QueueStore& store) { return store.scan().last_id(); },
      [this](const StoreResult<mail::QueueId>& last) {
        mail::QueueId id = last ? *last : mail::QueueId{};
        core_.ids.pass(id, core_.clock.wall());
        parts_.totals.start(id);
      });
  next();
}

void Start::normalise() {
  normalise_after({}, scope());
  next();
}

void Start::normalise_after(mail::QueueId after, std::optional<std::uint64_t> scope) {
  using Page = StoreResult<std::vector<QueueReader::CompactSummary>>;
  read_then(
      core_.store,
      [after, scope](QueueStore& store) {
        ScopedBags only(store, scope);
        return QueueReader(store).compact_summaries(after, kStartPage);
      },
      [this, scope](Page page) {
        if (!page) return core_.hooks.on_broken(page.error());
        if (page->empty() || core_.finishing) return;
        mail::QueueId last = page->back().id;
        for (QueueReader::CompactSummary& one : *page)
          parts_.put_back.normalise(one.id, std::move(one.destinations), one.due);
        normalise_after(last, scope);
      });
}

void Start::check_leftovers() {
  for (const AttemptName& name : inherited_) core_.recorder.take_over(name.id, name.index);
  check_leftovers_from(std::make_shared<Leftovers>(core_.recorder.leftovers()), 0);
}

// The marks are in our journal before anything of these bags is lent.
void Start::check_entered() {
  auto left = std::make_shared<Leftovers>();
  for (const AttemptName& name : rounds_.front().names) {
    core_.recorder.take_over(name.id, name.index);
    left->push_back({name.id, name.index, false});
  }
  core_.closed_bags &= ~rounds_.front().bags;
  check_leftovers_from(std::move(left), 0);
}

void Start::check_leftovers_from(std::shared_ptr<const Leftovers> left, std::size_t from) {
  if (from >= left->size()) {
    bool is_start = !complete();
    next();
    if (is_start && core_.hooks.on_left_known) core_.hooks.on_left_known();
    return;
  }
  std::size_t end = std::min(left->size(), from + kStartPage);
  using Found = StoreResult<std::vector<std::optional<StoredMessage>>>;
  read_then(
      core_.store,
      [left, from, end](QueueStore& store) -> Found {
        std::vector<std::optional<StoredMessage>> found;
        for (std::size_t i = from; i < end; ++i) {
          auto message = QueueReader(store).message((*left)[i].id, (*left)[i].index, 1);
          if (!message) return message.error();
          found.push_back(message.take());
        }
        return found;
      },
      [this, left, from, end](const Found& found) {
        if (!found) return core_.hooks.on_broken(found.error());
        settle_leftovers(*left, from, *found);
        check_leftovers_from(left, end);
      });
}

// What was reported as delivered is settled here; of the others an agent may tell yet.
void Start::settle_leftovers(const Leftovers& left, std::size_t from,
                             const std::vector<std::optional<StoredMessage>>& found) {
  WallTime now = core_.clock.wall();
  std::map<mail::QueueId, std::vector<IndexedOutcome>> delivered;
  EndAttempts gone;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const AttemptJournal::Leftover& one = left[from + i];
    if (one.id.is_in(core_.closed_bags)) {
      if (one.delivered && core_.hooks.on_elsewhere)
        core_.hooks.on_elsewhere(one.id, one.index, reported_before(one.dsn_passed_on));
      core_.recorder.leftover_elsewhere(one);
      continue;
    }
    const std::optional<StoredMessage>& message = found[i];
    bool there =
        message && !message->recipients.empty() && message->recipients.front().index == one.index;
    if (there && one.delivered) {
      delivered[one.id].push_back({one.index, reported_before(one.dsn_passed_on)});
    } else if (there) {
      const StoredRecipient& row = message->recipients.front();
      // Agents of this machine know nothing of what another one had lent.
      if (!complete())
        parts_.leasing.lent_before().add(one.id, one.index, pool_named(row.destination));
      if (complete() && !rounds_.front().former.empty())
        core_.recorder.adopted(message->info, row, rounds_.front().former, now);
      core_.recorder.left_queued(message->info, row, one.doubt, now);
    } else {
      core_.recorder.leftover_gone(one, now);
      gone.names.push_back({one.id, one.index});
    }
  }
  if (!gone.names.empty()) core_.store.write(AttemptFact(std::move(gone)));
  for (auto& [id, outcomes] : delivered) parts_.late_outcomes.settle(id, std::move(outcomes));
}

// A history that hangs does not hold up the mail for longer than this.
void Start::wait_for_history() {
  auto go_on = [this, went = std::make_shared<bool>(false)] {
    if (std::exchange(*went, true) || core_.finishing) return;
    history_alarm_->stop();
    next();
  };
  history_alarm_->start(kHistoryWaitMax, go_on);
  core_.recorder.history().flush(go_on);
}

void Start::read_sts_policies() {
  read_pages<KnownStsPolicy>(
      {},
      [](QueueStore& store, const std::string& after) {
        return store.destinations().sts_policies(after, kStartPage);
      },
      [this](KnownStsPolicy known) {
        parts_.sts_policies.restore(std::move(known));
        return true;
      },
      &KnownStsPolicy::domain);
}

void Start::read_mx_sets() {
  parts_.sts_policies.forget_old();
  read_pages<KnownMxSet>(
      {},
      [](QueueStore& store, const std::string& after) {
        return store.destinations().mx_sets(after, kStartPage);
      },
      [this](KnownMxSet known) { return parts_.mx_sets.restore(std::move(known)); },
      &KnownMxSet::destination);
}

void Start::read_suspensions() {
  parts_.mx_sets.forget_old();
  read_pages<Suspension>(
      {},
      [](QueueStore& store, const std::string& after) {
        return store.destinations().suspensions(after, kStartPage);
      },
      [this](Suspension suspension) {
        parts_.suspensions.restore(std::move(suspension));
        return parts_.suspensions.all().size() < kSuspensionsMax;
      },
      &Suspension::destination);
}

void Start::read_breakers() {
  read_pages<OpenBreaker>(
      {},
      [](QueueStore& store, const std::string& after) {
        return store.destinations().breakers(after, kStartPage);
      },
      [this](const OpenBreaker& breaker) {
        parts_.breakers.restore(breaker);
        return true;
      },
      &OpenBreaker::destination);
}

// Work is begun while further pages are read. Where there are many destinations, one bag is looked
// through after the other: in a large queue most destinations have mail in many bags, so nearly all
// are known after the first few. What is due there is then read from all bags (refilling.h).
void Start::read_destinations() {
  read_again_.clear();
  read_destinations_from({});
}

void Start::read_destinations_from(DestinationCursor from) {
  using Page = StoreResult<DestinationPage>;
  read_then(
      core_.store,
      [from, scope = scope()](QueueStore& store) -> Page {
        const bool has_bags = store.shared() != nullptr;
        ScopedBags only(store, from.bag ? std::uint64_t{1} << *from.bag : scope);
        auto found = store.waiting().destinations(from.after, kStartPage);
        if (!found) return found.error();
        return DestinationPage{found.take(), has_bags};
      },
      [this, from](Page page) {
        if (!page) return core_.hooks.on_broken(page.error());
        if (core_.finishing) return;
        for (const DueDestination& one : page->found) take_destination(one);
        const bool more = page->found.size() == kStartPage;
        if (more && (from.bag || !page->has_bags))
          return read_destinations_from({from.bag, page->found.back().destination});
        if (!more && !from.bag) return next();
        const std::optional<unsigned> bag = next_bag(from.bag ? *from.bag + 1 : 0);
        return bag ? read_destinations_from({bag, {}}) : next();
      });
}

std::optional<unsigned> Start::next_bag(unsigned from) const {
  const std::uint64_t wanted = scope().value_or(~core_.closed_bags);
  for (unsigned bag = from; bag < mail::kBags; ++bag)
    if ((wanted >> bag & 1) != 0) return bag;
  return std::nullopt;
}

void Start::take_destination(const DueDestination& due) {
  if (is_unjudged(due.destination)) return parts_.judging.look();
  DestinationId id = parts_.destinations.number_of(due.destination);
  WallTime now = core_.clock.wall();
  core_.scheduler.due_at(id, due.due_at, now);
  // Of bags that have come later: rows that lie before those that were read last.
  if (complete() && read_again_.insert(id).second) core_.scheduler.read_again(id, due.due_at, now);
  core_.hooks.on_work();
}

}  // namespace postwain::qmgr
