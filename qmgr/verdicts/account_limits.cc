#include "qmgr/verdicts/account_limits.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"

#include "qmgr/cluster/values.h"

namespace postwain::qmgr {

namespace {

AccountLimits::Verdict beyond(const config::SendingLimit& limit, std::string_view what,
                              const Rate& rate) {
  bool hold = limit.over == config::OverRate::hold;
  return {hold ? AccountLimits::Kind::hold : AccountLimits::Kind::refuse,
          fmt::format("{}the account sends more than {} {} in {}", hold ? "held for review: " : "",
                      rate.count, what, format_duration(rate.period)),
          limit.origin};
}

// How far ahead the moment of all nodes may stand. What nodes count before they hear of each other
// stands there beyond one period. Each of them may be a message ahead of what it knows, again and
// again; were that forgotten, N nodes with little mail each would send up to half of N times the
// limit. So there is room for a message of each node, and for one full limit at least. What goes
// beyond that, as after a time without the database, is forgiven.
Duration most_ahead(const Rate& rate) {
  return rate.period * (1 + std::max<std::uint32_t>(cluster::kNodes / rate.count, 1));
}

}  // namespace

void AccountLimits::configure(const config::Auth& auth) {
  default_ = auth.limit;
  own_.clear();
  for (const config::AccountLimit& one : auth.account_limits)
    for (const std::string& name : one.names) own_.emplace(name, one.limit);
}

const config::SendingLimit& AccountLimits::limit_of(const std::string& account) const {
  auto found = own_.find(account);
  return found == own_.end() ? default_ : found->second;
}

const Rate& AccountLimits::rate_of(const std::string& account, Counted counted) const {
  const config::SendingLimit& limit = limit_of(account);
  return counted == Counted::messages ? limit.messages : limit.recipients;
}

AccountBuckets& AccountLimits::buckets_of(Counted counted) {
  return counted == Counted::messages ? messages_ : recipients_;
}

AccountLimits::Verdict AccountLimits::count(const std::string& account, std::uint32_t recipients,
                                            MonoTime now) {
  if (account.empty()) return {};
  const config::SendingLimit& limit = limit_of(account);
  const Rate* over = nullptr;
  Verdict verdict;
  if (!messages_.has(account, 1, limit.messages, now)) {
    over = &limit.messages;
    verdict = beyond(limit, "messages", *over);
    messages_.ask(account, now);
  } else if (!recipients_.has(account, recipients, limit.recipients, now)) {
    over = &limit.recipients;
    verdict = beyond(limit, "recipients", *over);
    recipients_.ask(account, now);
  }
  if (over != nullptr) {
    verdict.report = first_report(account, *over, now);
  } else {
    messages_.take(account, 1, limit.messages, now);
    recipients_.take(account, recipients, limit.recipients, now);
  }
  say_news();
  return verdict;
}

void AccountLimits::give_back(const std::string& account, std::uint32_t recipients, MonoTime now) {
  const config::SendingLimit& limit = limit_of(account);
  messages_.give_back(account, 1, limit.messages, now);
  recipients_.give_back(account, recipients, limit.recipients, now);
  say_news();
}

bool AccountLimits::first_report(const std::string& account, const Rate& rate, MonoTime now) {
  Rate once{1, rate.period};
  if (!reports_.has(account, 1, once, now)) return false;
  reports_.take(account, 1, once, now);
  return true;
}

// --- counts over several nodes ------------------------------------------------------------------

void AccountLimits::tell_to(std::function<void()> on_news) {
  on_news_ = std::move(on_news);
  telling_.clear();
  for (AccountBuckets* one : {&messages_, &recipients_}) one->keep_news(on_news_ != nullptr);
}

void AccountLimits::say_news() const {
  if (on_news_ && (messages_.has_news() || recipients_.has_news())) on_news_();
}

// Half of the room at least is for either kind, so none waits for the other.
std::vector<AccountLimits::News> AccountLimits::tell(std::size_t most, MonoTime now) {
  PW_CHECK(telling_.empty());
  add_news(Counted::messages, recipients_.has_news() ? most / 2 : most, now);
  add_news(Counted::recipients, most - telling_.size(), now);
  return telling_;
}

void AccountLimits::add_news(Counted counted, std::size_t most, MonoTime now) {
  auto has_limit = [this, counted](const std::string& account) {
    return rate_of(account, counted).count != 0;
  };
  for (AccountBuckets::News& one : buckets_of(counted).tell(most, has_limit, now)) {
    const Duration ahead = most_ahead(rate_of(one.account, counted));
    telling_.push_back({counted, std::move(one), ahead});
  }
}

void AccountLimits::told(std::span<const Duration> ahead, MonoTime now) {
  PW_CHECK(ahead.size() == telling_.size());
  for (std::size_t i = 0; i < ahead.size(); ++i) {
    const News& one = telling_[i];
    if (rate_of(one.of.account, one.counted).count == 0) continue;  // since a reload
    buckets_of(one.counted).told(one.of, std::clamp(ahead[i], Duration{}, one.most), now);
  }
  telling_.clear();
}

void AccountLimits::lost(MonoTime now) {
  for (const News& one : telling_) buckets_of(one.counted).lost(one.of, now);
  telling_.clear();
}

}  // namespace postwain::qmgr
