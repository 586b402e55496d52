#include "smtpd/login/account_guard.h"

#include <algorithm>

namespace postwain::smtpd {

AccountGuard::Entry& AccountGuard::entry(const std::string& account, MonoTime now) {
  auto [at, is_new] = entries_.try_emplace(account);
  Entry& found = at->second;
  if (is_new) {
    found.forgiven_at = now;
    found.place = seen_.insert(seen_.end(), account);
    if (entries_.size() > kAccountsMax) {
      entries_.erase(seen_.front());
      seen_.pop_front();
    }
    return found;
  }
  seen_.splice(seen_.end(), seen_, found.place);
  std::int64_t steps = (now - found.forgiven_at) / kForgiveAfter;
  found.failures -= static_cast<std::uint32_t>(std::min<std::int64_t>(found.failures, steps));
  found.forgiven_at = found.failures == 0 ? now : found.forgiven_at + steps * kForgiveAfter;
  return found;
}

std::optional<Duration> AccountGuard::wait(const std::string& account, const std::string& network,
                                           MonoTime now) {
  auto at = entries_.find(account);
  if (at == entries_.end()) return Duration{};
  Entry& found = entry(account, now);
  if (std::find(found.known.begin(), found.known.end(), network) != found.known.end())
    return Duration{};
  if (found.failures < kFree) return Duration{};
  std::uint32_t doublings = std::min<std::uint32_t>(found.failures - kFree, 5);
  Duration interval = std::min(kFirstInterval * (1 << doublings), kIntervalMax);
  MonoTime turn = std::max(now, found.next_turn);
  auto left = std::chrono::duration_cast<Duration>(turn - now) + interval;
  if (left > kWaitMax) return std::nullopt;
  found.next_turn = turn + interval;
  return left;
}

void AccountGuard::failed(const std::string& account, MonoTime now) {
  Entry& found = entry(account, now);
  if (found.failures < UINT32_MAX) ++found.failures;
}

void AccountGuard::succeeded(const std::string& account, const std::string& network, MonoTime now) {
  Entry& found = entry(account, now);
  auto same = std::find(found.known.begin(), found.known.end(), network);
  if (same == found.known.end()) {
    same = found.known.end() - 1;
    *same = network;
  }
  std::rotate(found.known.begin(), same, same + 1);
}

}  // namespace postwain::smtpd
