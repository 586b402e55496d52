#include "qmgr/verdicts/retry_policy.h"

#include <algorithm>

#include "common/base/check.h"

#include "qmgr/verdicts/retry_hint.h"

namespace postwain::qmgr {

namespace {

// SplitMix64's finisher: spreads neighbouring numbers over the whole range.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

double unit_of(std::uint64_t x) {
  return static_cast<double>(mix(x) >> 11) * 0x1.0p-53;  // [0, 1)
}

Duration between(Duration low, Duration high, double unit) {
  return low +
         Duration(static_cast<std::int64_t>(static_cast<double>((high - low).count()) * unit));
}

constexpr Duration kGreylistFirst = std::chrono::minutes(5);
constexpr Duration kGreylistFirstEnd = std::chrono::minutes(6);
constexpr Duration kGreylistSecond = std::chrono::minutes(15);
constexpr Duration kGreylistSecondEnd = std::chrono::minutes(20);

}  // namespace

Duration retry_delay(const std::vector<Duration>& delays, std::uint32_t attempts, double jitter,
                     std::uint64_t salt) {
  PW_CHECK(!delays.empty());
  std::size_t step = std::min<std::size_t>(attempts == 0 ? 0 : attempts - 1, delays.size() - 1);
  double unit = unit_of(salt + attempts);
  double factor = 1.0 + jitter * (2.0 * unit - 1.0);
  auto ms = static_cast<std::int64_t>(static_cast<double>(delays[step].count()) * factor);
  return Duration(std::max<std::int64_t>(ms, 1));
}

Duration delay_after(const PeerWords& words, Duration scheduled, std::uint32_t attempts,
                     std::uint64_t salt, WallTime now) {
  const mail::Reply& reply = words.reply;
  if (reply.code < 400 || reply.code > 499) return scheduled;
  double unit = unit_of(salt * 31 + attempts);
  if (std::optional<Duration> hint = retry_hint(reply.text)) {
    Duration wanted = std::clamp(*hint, kHintMin, kHintMax);
    wanted = between(wanted, wanted + wanted / 10, unit);
    return attempts <= kHintAttempts ? wanted : std::max(wanted, scheduled);
  }
  if (!is_greylisting(reply)) return scheduled;
  if (!words.greylisted_at)
    return std::min(scheduled, between(kGreylistFirst, kGreylistFirstEnd, unit));
  // A pause as long as the second one says that this was the second.
  if (now - *words.greylisted_at >= kGreylistSecond) return scheduled;
  return std::min(scheduled, between(kGreylistSecond, kGreylistSecondEnd, unit));
}

Lifetimes lifetimes(const config::Queue& queue, bool null_sender) {
  if (null_sender) return {queue.bounce_lifetime, std::nullopt};
  return {queue.lifetime, queue.delay_warning};
}

Plan plan_retry(const Lifetimes& lifetimes, WallTime received_at, WallTime now, Duration delay,
                bool warned) {
  Plan plan;
  WallTime expires_at = received_at + lifetimes.lifetime;
  if (now >= expires_at) {
    plan.expired = true;
    return plan;
  }
  plan.warn = !warned && lifetimes.delay_warning && now >= received_at + *lifetimes.delay_warning;
  WallTime milestone = next_milestone(lifetimes, received_at, warned || plan.warn);
  plan.next_attempt_at = std::min(now + delay, milestone);
  return plan;
}

WallTime next_milestone(const Lifetimes& lifetimes, WallTime received_at, bool warned) {
  WallTime expires_at = received_at + lifetimes.lifetime;
  if (warned || !lifetimes.delay_warning) return expires_at;
  return std::min(expires_at, received_at + *lifetimes.delay_warning);
}

}  // namespace postwain::qmgr
