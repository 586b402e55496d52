#include "qmgr/verdicts/account_buckets.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace postwain::qmgr {

namespace {

constexpr Duration kForgetUntoldEvery = std::chrono::minutes(1);

// How long it takes to fill so many, rounded up.
std::chrono::nanoseconds time_of(std::uint32_t amount, const Rate& rate) {
  std::chrono::duration<double, std::nano> period = rate.period;
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(std::ceil(period.count() * amount / rate.count)));
}

}  // namespace

bool AccountBuckets::has(const std::string& account, std::uint32_t amount, const Rate& rate,
                         MonoTime now) const {
  return buckets_.has(account, amount, rate, keep_ ? now + kRounding : now);
}

void AccountBuckets::take(const std::string& account, std::uint32_t amount, const Rate& rate,
                          MonoTime now) {
  if (rate.count == 0) return;
  buckets_.take(account, amount, rate, now);
  note(account, time_of(amount, rate), now);
}

void AccountBuckets::give_back(const std::string& account, std::uint32_t amount, const Rate& rate,
                               MonoTime now) {
  if (rate.count == 0) return;
  const std::chrono::nanoseconds owed = buckets_.owed(account, now);
  buckets_.give_back(account, amount, rate);
  if (owed > owed.zero()) note(account, -std::min(time_of(amount, rate), owed), now);
}

void AccountBuckets::ask(const std::string& account, MonoTime now) {
  if (!keep_ || buckets_.owed(account, now) == std::chrono::nanoseconds::zero()) return;
  Entry& known = entry(account, now);
  if (!known.asked || now - *known.asked >= kAskAgain) wait(account, known);
}

void AccountBuckets::note(const std::string& account, std::chrono::nanoseconds time, MonoTime now) {
  if (!keep_) return;
  Entry& known = entry(account, now);
  known.untold += time;
  wait(account, known);
}

AccountBuckets::Entry& AccountBuckets::entry(const std::string& account, MonoTime now) {
  forget(now);
  auto found = entries_.find(account);
  if (found != entries_.end()) return found->second;
  if (entries_.size() >= accounts_max_) drop_one();
  return entries_[account];
}

// The one that has waited longest. Where so many accounts come at once, their buckets have to make
// room as well (RateTable), and what has gone there is not told in any case.
void AccountBuckets::drop_one() {
  if (waiting_.empty()) {
    entries_.erase(entries_.begin());
    return;
  }
  entries_.erase(waiting_.front());
  waiting_.pop_front();
}

void AccountBuckets::wait(const std::string& account, Entry& entry) {
  if (std::exchange(entry.waiting, true)) return;
  waiting_.push_back(account);
}

// What was given back has to be told also where nothing is owed: others may owe yet.
void AccountBuckets::forget(MonoTime now) {
  if (now < next_forget_) return;
  next_forget_ = now + kForgetUntoldEvery;
  const auto was = entries_.size();
  std::erase_if(entries_, [this, now](const auto& one) {
    return one.second.untold > -std::chrono::milliseconds(1) &&
           buckets_.owed(one.first, now) == std::chrono::nanoseconds::zero();
  });
  if (entries_.size() == was) return;
  std::erase_if(waiting_, [this](const std::string& one) { return !entries_.contains(one); });
}

void AccountBuckets::keep_news(bool keep) {
  keep_ = keep;
  entries_.clear();
  waiting_.clear();
}

std::vector<AccountBuckets::News> AccountBuckets::tell(
    std::size_t most, const std::function<bool(const std::string&)>& has_limit, MonoTime now) {
  std::vector<News> news;
  while (news.size() < most && !waiting_.empty()) {
    std::string account = std::move(waiting_.front());
    waiting_.pop_front();
    auto found = entries_.find(account);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    entry.waiting = false;
    // Time has filled the bucket meanwhile, whatever was counted here.
    const std::chrono::nanoseconds owed = buckets_.owed(account, now);
    entry.untold = std::min(entry.untold, owed);
    if (!has_limit(account) || (entry.untold == owed.zero() && owed == owed.zero())) {
      entries_.erase(found);
      continue;
    }
    const Duration span = std::chrono::ceil<Duration>(entry.untold);
    entry.untold -= span;
    entry.asked = now;
    news.push_back({std::move(account), span});
  }
  return news;
}

void AccountBuckets::told(const News& news, Duration ahead, MonoTime now) {
  std::chrono::nanoseconds owed = std::max(ahead + news.span, Duration{});
  auto found = entries_.find(news.account);
  if (found != entries_.end()) owed += found->second.untold;
  buckets_.set_owed(news.account, owed, now);
}

void AccountBuckets::lost(const News& news, MonoTime now) {
  note(news.account, news.span, now);
}

}  // namespace postwain::qmgr
