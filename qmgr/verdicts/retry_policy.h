// When to try again, when to warn, when to give up: pure functions of age, attempts and
// configuration.
//
// Milestones: the delay warning and the end of the lifetime. No attempt is planned beyond the next
// milestone, so a warning is on time and an expiry always follows a last attempt.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/queue.h"
#include "common/mail/reply.h"

namespace postwain::qmgr {

// delays[attempts - 1], the last one repeating, spread by ± jitter. Recipients of one message stay
// together (salt is the message's id), while different messages spread out: without that, all mail
// for a host that was down would come back in the same second.
Duration retry_delay(const std::vector<Duration>& delays, std::uint32_t attempts, double jitter,
                     std::uint64_t salt);

// What the peer's own words make of the scheduled delay. A hint is kept within kHintMin and
// kHintMax and never undercut; for the first kHintAttempts attempts it may also shorten the delay.
// Greylisting, which wants nothing but to see us again, is answered after 5 to 6 minutes, then
// after 15 to 20, unless the schedule is earlier; a third time the schedule holds.
constexpr Duration kHintMin = std::chrono::seconds(30);
constexpr Duration kHintMax = std::chrono::hours(4);
constexpr std::uint32_t kHintAttempts = 10;
struct PeerWords {
  const mail::Reply& reply;
  // When the attempt before this one was answered, if that was greylisting, too.
  std::optional<WallTime> greylisted_at;
};
Duration delay_after(const PeerWords& words, Duration scheduled, std::uint32_t attempts,
                     std::uint64_t salt, WallTime now);

struct Lifetimes {
  Duration lifetime{};
  std::optional<Duration> delay_warning;
};
// For a message of ours or of somebody's null sender the shorter lifetime holds and nobody is
// warned.
Lifetimes lifetimes(const config::Queue& queue, bool null_sender);

// Time that nobody saw pass does not count (observed_time.h).
inline Lifetimes extended(Lifetimes limits, Duration unobserved) {
  limits.lifetime += unobserved;
  if (limits.delay_warning) *limits.delay_warning += unobserved;
  return limits;
}

struct Plan {
  bool expired = false;        // give up now
  bool warn = false;           // tell the sender now
  WallTime next_attempt_at{};  // when not expired
};

// What follows an attempt that was deferred. attempts: with this one. warned: already told.
Plan plan_retry(const Lifetimes& lifetimes, WallTime received_at, WallTime now, Duration delay,
                bool warned);

// The moment at which a waiting recipient needs attention although nobody tries it (its destination
// is held by a breaker).
WallTime next_milestone(const Lifetimes& lifetimes, WallTime received_at, bool warned);

}  // namespace postwain::qmgr
