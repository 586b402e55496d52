#include "qmgr/verdicts/verdict.h"

#include <algorithm>

#include <fmt/format.h>

#include "qmgr/verdicts/retry_hint.h"

namespace postwain::qmgr {

namespace {

// Without a word of whose trouble it is, a message stays together so often, and is then cut into so
// many parts: the server may be at fault, and should not meet each recipient by himself.
constexpr std::uint32_t kAttemptsTogether = 3;
constexpr std::size_t kFewPartsMax = 8;

LastOutcome last_of(const mail::Outcome& outcome, WallTime now) {
  LastOutcome last{now, outcome.stage, outcome.reply, outcome.remote_host};
  if (last.reply.text.size() > notice::kDsnReplyMax) last.reply.text.resize(notice::kDsnReplyMax);
  return last;
}

Verdict removed(std::uint32_t index, std::optional<Event> event) {
  Verdict verdict;
  verdict.change.index = index;
  verdict.change.kind = ChangeKind::remove;
  verdict.event = event;
  return verdict;
}

Verdict deferred(const MessageInfo& message, const RecipientFacts& facts, LastOutcome last,
                 std::uint32_t attempts, bool in_doubt, const RetryRules& rules, WallTime now,
                 bool new_doubt = false) {
  Duration delay = retry_delay(*rules.delays, std::max<std::uint32_t>(attempts, 1), rules.jitter,
                               message.id.value);
  // last.at is this attempt's time, if there was one.
  if (last.at == now && attempts > facts.attempts)
    delay = delay_after({last.reply, facts.greylisted_at}, delay, attempts, message.id.value, now);
  // Our own processes handed it back unused: that is no reason to let it wait long.
  if (attempts == facts.attempts && !in_doubt) delay = std::min(delay, kUnusedRetry);
  if (new_doubt) delay = doubt_delay(*rules.delays, attempts, delay);
  Plan plan =
      plan_retry(rules.lifetimes, message.arrival.received_at, now, delay, facts.delay_warned);
  if (plan.expired) return removed(facts.index, Event::expired);
  Verdict verdict;
  RecipientChange& change = verdict.change;
  change.index = facts.index;
  change.kind = ChangeKind::defer;
  change.destination = facts.destination;
  change.attempts = attempts;
  change.next_attempt_at = plan.next_attempt_at;
  change.in_doubt = in_doubt;
  change.delay_warned = facts.delay_warned || plan.warn;
  change.last = std::move(last);
  if (plan.warn) verdict.event = Event::delayed;
  return verdict;
}

// What our own processes say of an attempt that does not count (they are shutting down) tells
// nothing of the mail: the last true word about it stays.
bool keeps_last(const RecipientFacts& facts, const mail::Outcome& outcome, bool counts) {
  return !counts && !outcome.in_doubt && facts.attempts > 0 && facts.last != nullptr &&
         facts.last->at != WallTime{};
}

// A second copy would be worse than a late one.
void hold_in_doubt(Verdict& verdict) {
  verdict.change.kind = ChangeKind::quarantine;
  mail::Reply& reply = verdict.change.last.reply;
  reply = {0, {4, 4, 2}, fmt::format("held: it may have been delivered ({})", reply.one_line())};
  verdict.event.reset();
}

}  // namespace

Duration doubt_delay(const std::vector<Duration>& delays, std::uint32_t attempts, Duration plain) {
  Duration least = delays.front();
  for (std::uint32_t i = 0; i < attempts && least < kDoubtDelayMax; ++i) least *= 2;
  // A schedule whose steps are longer than that stays as it is.
  return std::max(std::min(std::max(least, plain * 2), kDoubtDelayMax), plain);
}

std::optional<WallTime> greylisted_at(const LastOutcome* last) {
  if (last == nullptr || last->at == WallTime{} || !is_greylisting(last->reply))
    return std::nullopt;
  return last->at;
}

bool is_null_sender_refused(const MessageInfo& message, const mail::Outcome& outcome) {
  return message.envelope.reverse_path.is_null() && outcome.stage == mail::Stage::mail &&
         outcome.blame == mail::Blame::sender && outcome.disposition == mail::Disposition::failed;
}

Verdict judge(const MessageInfo& message, const RecipientFacts& facts, const mail::Outcome& outcome,
              const RetryRules& rules, WallTime now) {
  switch (outcome.disposition) {
    case mail::Disposition::delivered: {
      if (outcome.dsn_passed_on) return removed(facts.index, std::nullopt);
      return removed(facts.index, rules.final_delivery ? Event::delivered : Event::relayed);
    }
    case mail::Disposition::failed:
      if (is_null_sender_refused(message, outcome)) break;
      return removed(facts.index, Event::failed);
    case mail::Disposition::deferred:
      break;
  }
  bool counts = outcome.stage != mail::Stage::local && outcome.blame != mail::Blame::local;
  LastOutcome last = keeps_last(facts, outcome, counts) ? *facts.last : last_of(outcome, now);
  Verdict verdict = deferred(message, facts, std::move(last), facts.attempts + (counts ? 1 : 0),
                             facts.in_doubt || outcome.in_doubt, rules, now, outcome.in_doubt);
  if (outcome.in_doubt && rules.hold_in_doubt && verdict.change.kind == ChangeKind::defer)
    hold_in_doubt(verdict);
  return verdict;
}

Verdict judge_crash(const MessageInfo& message, const RecipientFacts& facts,
                    const mail::Outcome& outcome, const RetryRules& rules, WallTime now) {
  Verdict verdict = judge(message, facts, outcome, rules, now);
  if (verdict.change.kind != ChangeKind::defer) return verdict;
  verdict.change.crashes = facts.crashes + 1;
  if (verdict.change.crashes < kCrashesHeld) return verdict;
  verdict.change.kind = ChangeKind::quarantine;
  verdict.change.last.reply = {0,
                               {4, 3, 5},
                               fmt::format("held: the delivery process ended {} times in a row "
                                           "while it had this message",
                                           verdict.change.crashes)};
  verdict.event.reset();
  return verdict;
}

Verdict judge_undeliverable(const RecipientFacts& facts, const char* reason, WallTime now) {
  Verdict verdict;
  RecipientChange& change = verdict.change;
  change.index = facts.index;
  change.kind = ChangeKind::quarantine;
  change.destination = facts.destination;
  change.attempts = facts.attempts;
  change.next_attempt_at = now;
  change.in_doubt = facts.in_doubt;
  change.delay_warned = facts.delay_warned;
  change.last = {now, mail::Stage::local, {0, {4, 3, 0}, reason}, {}};
  return verdict;
}

Verdict judge_untried(const MessageInfo& message, const RecipientFacts& facts,
                      const LastOutcome& last, const RetryRules& rules, WallTime now) {
  Verdict verdict = deferred(message, facts, last, facts.attempts, facts.in_doubt, rules, now);
  // It goes on waiting where it was, not for another whole delay.
  if (verdict.change.kind == ChangeKind::defer) verdict.change.next_attempt_at = now;
  return verdict;
}

LastOutcome put_off_words(const std::string& reason, WallTime now) {
  LastOutcome last{now, mail::Stage::mail, {}, {}};
  last.reply.enhanced = {4, 4, 5};
  last.reply.text = fmt::format(
      "not tried yet: mail of this sender, or to this recipient, is broken off there again and "
      "again "
      "({})",
      reason);
  return last;
}

Verdict judge_put_off(const MessageInfo& message, const RecipientFacts& facts,
                      const LastOutcome& last, WallTime until, const RetryRules& rules,
                      WallTime now) {
  Verdict verdict = judge_untried(message, facts, last, rules, now);
  if (verdict.change.kind == ChangeKind::defer)
    verdict.change.next_attempt_at = std::min(
        std::max(until, now),
        next_milestone(rules.lifetimes, message.arrival.received_at, verdict.change.delay_warned));
  return verdict;
}

Company company_of(const LastOutcome& last, std::uint32_t attempts, mail::HopKind kind) {
  if (last.at == WallTime{}) return Company::any;
  if (mail::is_beside_another(last.stage, last.reply)) return Company::fewer;
  // What an SMTP server says or does behind the content concerns all of them.
  bool his = last.stage == mail::Stage::rcpt ||
             (last.stage == mail::Stage::final_reply && kind == mail::HopKind::lmtp);
  if (!mail::is_broken_off(last.stage, last.reply)) return Company::any;
  if (his) return Company::alone;
  return attempts >= kAttemptsTogether ? Company::few : Company::any;
}

std::size_t parts_of(Company company, std::uint32_t attempts) {
  std::size_t parts = std::size_t{1} << std::min<std::uint32_t>(attempts, 7);
  if (company == Company::fewer) return std::max<std::size_t>(parts, 2);
  return company == Company::few ? std::min(parts, kFewPartsMax) : 1;
}

std::uint32_t failures_of(const LastOutcome* last, std::uint32_t attempts) {
  return last != nullptr && mail::is_broken_off(last->stage, last->reply) ? attempts : 0;
}

DsnRecipient details_of(const RecipientFacts& facts, const LastOutcome& last) {
  DsnRecipient details;
  details.recipient = facts.recipient;
  details.reply = last.reply;
  details.stage = last.stage;
  details.remote_host = last.remote_host;
  details.last_attempt_at = last.at;
  return details;
}

void AttemptSummary::add(const mail::Outcome& outcome, std::uint32_t index) {
  if (outcome.blame == mail::Blame::destination) {
    if (outcome.stage < mail::Stage::mail) {
      unreachable_ = true;
    } else {
      ++broken_;
      broken_at_ = index;
    }
  } else if (outcome.disposition == mail::Disposition::delivered || outcome.reply.code != 0) {
    reached_ = true;
  }
}

AttemptEnd AttemptSummary::end() const {
  if (unreachable_) return AttemptEnd::unreachable;
  // A connection that broke in the middle counts as trouble even if some replies had come.
  if (broken_ > 0) return AttemptEnd::broken_off;
  return reached_ ? AttemptEnd::reached : AttemptEnd::undecided;
}

}  // namespace postwain::qmgr
