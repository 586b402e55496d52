#include "qmgr/destinations/shared_breakers.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace postwain::qmgr {

namespace {

constexpr std::size_t kKeysAtOnce = 200;  // of one kind, in one job
constexpr int kPagesAtOnce = 20;
constexpr std::size_t kKeyMost = 2000;  // octets: what the table takes
constexpr Duration kForgetEvery = std::chrono::hours(1);
constexpr std::int64_t kKnownForMs = 90'000'000;  // longer than the table has them

SharedBreaker shared_of(const std::string& key, const std::optional<OpenBreaker>& open,
                        WallTime now) {
  SharedBreaker breaker;
  breaker.key = key;
  if (!open) return breaker;
  breaker.opens = open->opens;
  breaker.open_for = std::max(now - open->opened_at, Duration(0));
  breaker.hold_for = open->hold_until - now;
  breaker.reason = open->reason;
  return breaker;
}

std::vector<std::string> take_some(std::set<std::string>& from) {
  auto end = from.begin();
  std::advance(end, std::min(from.size(), kKeysAtOnce));
  std::vector<std::string> taken(from.begin(), end);
  from.erase(from.begin(), end);
  return taken;
}

}  // namespace

void SharedBreakers::put(const OpenBreaker& breaker, bool opens_it) {
  if (breaker.destination.size() > kKeyMost) return;
  Pending& pending = pending_[breaker.destination];
  pending = {breaker, opens_it || pending.opens_it};
  go_on();
}

void SharedBreakers::remove(const std::string& key) {
  pending_[key] = {};
  go_on();
}

void SharedBreakers::want_trials(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    wishes_.insert(key);
    ends_.erase(key);
  }
  go_on();
}

void SharedBreakers::beat(std::int64_t mark) {
  if (mark_ != mark) to_read_ = true;
  mark_ = mark;
  give_back_unused();
  go_on();
}

// A trial that was granted to us is nobody else's: what does not begin soon is given back, and what
// has ended as well.
void SharedBreakers::give_back_unused() {
  WallTime now = clock_.wall();
  for (auto at = trials_.begin(); at != trials_.end();) {
    TrialUse use = breakers_.trial_use(at->first);
    if (use == TrialUse::running) at->second = now;
    if (use == TrialUse::running || (use == TrialUse::waiting && now < at->second + kTrialUnused)) {
      ++at;
      continue;
    }
    breakers_.revoke_trial(at->first);
    if (wishes_.count(at->first) == 0) ends_.insert(at->first);
    at = trials_.erase(at);
  }
}

// --- jobs -------------------------------------------------------------------------------------

SharedBreakers::Work SharedBreakers::take_work() {
  Work work;
  work.now = clock_.wall();
  while (!pending_.empty() && work.writes.size() < kKeysAtOnce)
    work.writes.insert(pending_.extract(pending_.begin()));
  for (std::string& key : take_some(wishes_)) {
    auto known = known_.find(key);
    work.wishes.push_back({std::move(key), known == known_.end() ? 0 : known->second});
  }
  work.ends = take_some(ends_);
  if (std::exchange(to_read_, false)) work.read = cursor_;
  if (work.read && work.now - forgot_at_ >= kForgetEvery) {
    work.forget = forgot_at_ != WallTime{};
    forgot_at_ = work.now;
  }
  return work;
}

void SharedBreakers::go_on() {
  if (busy_) return;
  Work work = take_work();
  if (work.writes.empty() && work.wishes.empty() && work.ends.empty() && !work.read) return;
  busy_ = true;
  keep_then(
      keeper_,
      [work = std::move(work)](KeeperTables& tables) { return carry_out(tables.breakers(), work); },
      [this](Done done) { this->done(std::move(done)); });
}

// On the keeper's thread. Behind a failure nothing else is tried.
SharedBreakers::Done SharedBreakers::carry_out(BreakerTable& table, Work work) {
  Done done;
  done.work = std::move(work);
  std::vector<BreakerWrite> writes;
  for (const auto& [key, one] : done.work.writes)
    writes.push_back({shared_of(key, one.open, done.work.now), one.opens_it});
  if (!writes.empty()) done.written = table.write(writes);
  StoreStatus so_far = done.written;
  if (!done.work.wishes.empty()) {
    done.trials = so_far ? table.begin_trials(done.work.wishes)
                         : StoreResult<BreakerTable::Trials>(so_far.error());
    if (!done.trials) so_far = done.trials.error();
  }
  if (!done.work.ends.empty()) {
    done.ended = so_far ? table.end_trials(done.work.ends) : so_far;
    so_far = done.ended;
  }
  if (done.work.read && so_far) read_changes(table, done);
  if (done.work.forget && done.all_read) (void)table.forget_old();
  return done;
}

void SharedBreakers::read_changes(BreakerTable& table, Done& done) {
  done.next = *done.work.read;
  for (int pages = 0; pages < kPagesAtOnce; ++pages) {
    StoreResult<BreakerTable::Page> page = table.changes(done.next);
    if (!page) return;
    std::move(page->changed.begin(), page->changed.end(), std::back_inserter(done.changed));
    done.next = page->next;
    if (!page->more) {
      done.all_read = true;
      return;
    }
  }
}

void SharedBreakers::done(Done done) {
  busy_ = false;
  written(done);
  asked(done);
  ended(done);
  if (done.work.read) {
    for (const SharedBreaker& breaker : done.changed) apply(breaker);
    cursor_ = done.next;
    // The rest when the next beat is answered: the database may be away.
    to_read_ = to_read_ || !done.all_read;
    if (done.work.forget && done.all_read) forget_known(cursor_.changed - kKnownForMs);
  }
  if (done.written && done.trials && done.ended && (!done.work.read || done.all_read)) go_on();
}

// What was not written is tried again, unless something newer is to be written.
void SharedBreakers::written(Done& done) {
  if (done.written) return;
  if (!may_work_later(done.written.error())) return;
  for (auto& [key, one] : done.work.writes) {
    auto [newer, is_only] = pending_.try_emplace(key, one);
    if (!is_only && newer->second.open)
      newer->second.opens_it = newer->second.opens_it || one.opens_it;
  }
}

void SharedBreakers::asked(const Done& done) {
  const WallTime now = clock_.wall();
  const bool known = done.trials.ok();
  std::set<std::string> granted;
  std::set<std::string> open;
  if (known) granted.insert(done.trials->granted.begin(), done.trials->granted.end());
  for (const BreakerTable::Wish& wish : done.work.wishes) {
    if (granted.count(wish.key) > 0) {
      trials_[wish.key] = now;
      breakers_.grant_trial(wish.key);
    } else {
      // Perhaps it was granted, and the answer is lost.
      if (!known && wishes_.count(wish.key) == 0) ends_.insert(wish.key);
      breakers_.refuse_trial(wish.key, now + kTrialAgain);
    }
  }
  if (!known) return;
  for (const SharedBreaker& state : done.trials->states) {
    open.insert(state.key);
    apply(state);
  }
  for (const BreakerTable::Wish& wish : done.work.wishes)
    if (open.count(wish.key) == 0) apply({wish.key, 0, {}, {}, {}, 0});
}

void SharedBreakers::ended(const Done& done) {
  if (done.ended) return;
  for (const std::string& key : done.work.ends)
    if (wishes_.count(key) == 0) ends_.insert(key);
}

void SharedBreakers::apply(const SharedBreaker& breaker) {
  if (pending_.count(breaker.key) > 0) return;
  if (breaker.opens == 0) {
    known_.erase(breaker.key);
    return breakers_.closed_elsewhere(breaker.key);
  }
  std::int64_t& known = known_[breaker.key];
  if (std::exchange(known, breaker.changed) == breaker.changed) return;
  WallTime now = clock_.wall();
  breakers_.opened_elsewhere(
      {breaker.key, breaker.opens, now - breaker.open_for, now + breaker.hold_for, breaker.reason});
}

void SharedBreakers::forget_known(std::int64_t before) {
  std::erase_if(known_, [before](const auto& one) { return one.second < before; });
}

}  // namespace postwain::qmgr
