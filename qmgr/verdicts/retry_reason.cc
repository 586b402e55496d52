#include "qmgr/verdicts/retry_reason.h"

#include <cmath>

#include <fmt/format.h>

namespace postwain::qmgr {

namespace {

std::string step_text(const RetryRules& rules, std::uint32_t attempts) {
  const std::vector<Duration>& delays = *rules.delays;
  std::size_t step = std::min<std::size_t>(attempts, delays.size());
  std::string spread =
      rules.jitter > 0 ? fmt::format(" ±{}%", std::lround(rules.jitter * 100)) : std::string();
  return fmt::format("{}{} after attempt {}, step {} of {} of the schedule",
                     format_duration(delays[step - 1]), spread, attempts, step, delays.size());
}

}  // namespace

std::string retry_reason(const MessageInfo& message, const RecipientFacts& before,
                         const RecipientChange& change, const RetryRules& rules, WallTime now) {
  if (change.kind == ChangeKind::quarantine) return change.last.reply.text;
  if (change.kind != ChangeKind::defer) return {};
  bool counted = change.attempts != before.attempts;
  if (!counted && !change.in_doubt)
    return "soon, since the attempt never left our own processes and does not count";
  std::uint32_t attempts = std::max<std::uint32_t>(change.attempts, 1);
  std::string text = step_text(rules, attempts);
  Duration planned = retry_delay(*rules.delays, attempts, rules.jitter, message.id.value);
  WallTime then = now + planned;
  if (change.next_attempt_at == then) return text;
  WallTime received = message.arrival.received_at;
  if (change.next_attempt_at == received + rules.lifetimes.lifetime)
    return text + "; brought forward to the end of its lifetime";
  if (rules.lifetimes.delay_warning &&
      change.next_attempt_at == received + *rules.lifetimes.delay_warning)
    return text + "; brought forward to the time of the delay warning";
  return fmt::format("{}; {} for a reason the reply gave", text,
                     change.next_attempt_at < then ? "brought forward" : "put off");
}

}  // namespace postwain::qmgr
