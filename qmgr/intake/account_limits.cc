#include "qmgr/intake/account_limits.h"

#include <fmt/format.h>

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

AccountLimits::Verdict AccountLimits::count(const std::string& account, std::uint32_t recipients,
                                            MonoTime now) {
  if (account.empty()) return {};
  const config::SendingLimit& limit = limit_of(account);
  const Rate* over = nullptr;
  Verdict verdict;
  if (!messages_.has(account, 1, limit.messages, now)) {
    over = &limit.messages;
    verdict = beyond(limit, "messages", *over);
  } else if (!recipients_.has(account, recipients, limit.recipients, now)) {
    over = &limit.recipients;
    verdict = beyond(limit, "recipients", *over);
  }
  if (over != nullptr) {
    verdict.report = first_report(account, *over, now);
    return verdict;
  }
  messages_.take(account, 1, limit.messages, now);
  recipients_.take(account, recipients, limit.recipients, now);
  return {};
}

void AccountLimits::give_back(const std::string& account, std::uint32_t recipients) {
  const config::SendingLimit& limit = limit_of(account);
  messages_.give_back(account, 1, limit.messages);
  recipients_.give_back(account, recipients, limit.recipients);
}

bool AccountLimits::first_report(const std::string& account, const Rate& rate, MonoTime now) {
  Rate once{1, rate.period};
  if (!reports_.has(account, 1, once, now)) return false;
  reports_.take(account, 1, once, now);
  return true;
}

}  // namespace postwain::qmgr
