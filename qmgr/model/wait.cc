#include "qmgr/model/wait.h"

#include <algorithm>

#include <fmt/format.h>

namespace postwain::qmgr {

std::string_view name_of(WaitCause cause) {
  constexpr std::string_view kNames[] = {"suspension", "breaker", "standstill", "turn", "filters"};
  return kNames[static_cast<std::size_t>(cause)];
}

std::string Wait::words(WallTime now) const {
  std::string why = reason.empty() ? std::string() : ": " + reason;
  switch (cause) {
    case WaitCause::suspension:
      return fmt::format(
          "{} is suspended until {}{}{}", scope,
          until == WallTime::max() ? std::string("further notice") : format_rfc3339(until),
          by.empty() ? std::string() : " by " + by, why);
    case WaitCause::breaker:
      if (until <= now)
        return fmt::format("{} could not be reached, and is tried with one message at a time{}",
                           scope, why);
      return fmt::format("{} could not be reached; one message tries it again at {}{}", scope,
                         format_rfc3339(until), why);
    case WaitCause::standstill:
      return "nothing is tried at all" + why;
    case WaitCause::filters:
      return "its filters are to be asked first" + why;
    case WaitCause::turn:
      break;
  }
  return fmt::format("its turn at {}, where {} attempt{} at the moment{}{}", scope, running,
                     running == 1 ? " runs" : "s run", reason.empty() ? "" : ", and ", reason);
}

std::string rate_in_words(std::string_view name, std::uint32_t count, Duration period) {
  return fmt::format("{} of its route allows {} in {}", name, count, format_duration(period));
}

WallTime next_attempt(const StoredRecipient& row, const Wait* wait, WallTime now) {
  if (row.state == RecipientState::held) return {};
  WallTime next = row.next_attempt_at;
  if (wait != nullptr && wait->until == WallTime::max() && wait->cause == WaitCause::suspension)
    return {};
  if (wait != nullptr && wait->until != WallTime::max()) next = std::max(next, wait->until);
  if (next >= now) return next;
  // Shown in whole seconds, and so rounded up.
  constexpr std::int64_t kSecond = 1000;
  return from_unix_ms((to_unix_ms(now) + kSecond - 1) / kSecond * kSecond);
}

}  // namespace postwain::qmgr
