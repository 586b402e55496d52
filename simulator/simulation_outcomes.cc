// What the pretended peers say, and what the real rules make of it; the report.
#include <algorithm>

#include <fmt/format.h>

#include "simulator/simulation.h"

namespace postwain::simulator {

namespace {

mail::Outcome said(mail::Disposition disposition, mail::Stage stage, mail::Blame blame, int code,
                   mail::EnhancedCode enhanced, const char* text) {
  mail::Outcome outcome;
  outcome.disposition = disposition;
  outcome.stage = stage;
  outcome.blame = blame;
  outcome.reply.code = code;
  outcome.reply.enhanced = enhanced;
  outcome.reply.text = text;
  return outcome;
}

Duration share_of(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return {};
  auto place = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return Duration(sorted[place]);
}

}  // namespace

mail::Outcome Simulation::outcome_for(const Recipient& recipient, const DestinationPlan& plan,
                                      bool reachable) {
  if (!reachable)
    return mail::local_outcome(mail::Disposition::deferred, mail::Stage::connect,
                               mail::Blame::destination, {4, 4, 1}, "connection timed out");
  if (breaks_off(recipient, plan))
    return said(mail::Disposition::deferred, mail::Stage::final_reply, mail::Blame::destination,
                421, {4, 7, 26}, "not now");
  double dice = unit();
  bool young = now_ - messages_[recipient.message].received_at < std::chrono::minutes(5);
  if (young && plan.greylist_share > 0 && unit() < plan.greylist_share)
    return said(mail::Disposition::deferred, mail::Stage::rcpt, mail::Blame::recipient, 451,
                {4, 7, 1}, "Greylisted, please try again later");
  if (dice < plan.fail_share)
    return said(mail::Disposition::failed, mail::Stage::rcpt, mail::Blame::recipient, 550,
                {5, 1, 1}, "no such user");
  if (dice < plan.fail_share + plan.defer_share)
    return said(mail::Disposition::deferred, mail::Stage::rcpt, mail::Blame::recipient, 452,
                {4, 2, 2}, "mailbox full");
  return said(mail::Disposition::delivered, mail::Stage::final_reply, mail::Blame::nobody, 250,
              {2, 0, 0}, "Ok");
}

bool Simulation::breaks_off(const Recipient& recipient, const DestinationPlan& plan) const {
  bool at_all = std::any_of(plan.breaks_off.begin(), plan.breaks_off.end(),
                            [this](const Outage& o) { return now_ >= o.from && now_ < o.to; });
  return at_all || plan.breaks_at_mailboxes.count(recipient.mailbox) > 0 ||
         plan.breaks_at_senders.count(messages_[recipient.message].sender) > 0;
}

// Numbers are as good as the hashes of addresses.
qmgr::Marks Simulation::marks_of(const qmgr::Job& job) const {
  std::uint32_t sender = messages_[job.id.value - 1].sender;
  qmgr::Marks marks{sender + 1, sender / 10 + 1, 0};
  if (job.recipients.size() == 1) marks.recipient = recipients_[job.recipients[0]].mailbox + 1;
  return marks;
}

// Who waits because its sender's or its mailbox's mail is broken off.
void Simulation::put_off() {
  for (qmgr::PutOff& one : scheduler_.take_put_off()) {
    Settled settled;
    settled.recipients = one.job.recipients;
    for (std::uint32_t index : one.job.recipients) {
      ++report_.events;
      Recipient& r = recipients_[index];
      expect(r.phase == Phase::queued, "only who is queued is put off",
             sites_[r.destination].result.key);
      r.phase = Phase::settling;
      qmgr::RecipientFacts facts;
      facts.index = index;
      facts.attempts = r.attempts;
      facts.delay_warned = r.warned;
      const Message& message = messages_[r.message];
      qmgr::LastOutcome last = qmgr::put_off_words(one.reason, now_);
      if (r.broken_off) last = {now_, mail::Stage::final_reply, {421, {4, 7, 26}, "not now"}, {}};
      apply(index,
            qmgr::judge_put_off(info_of(message), facts, last, one.until,
                                rules_for(message, scenario_.destinations[r.destination]), now_),
            settled);
    }
    settle(std::move(settled));
  }
}

const qmgr::MessageInfo& Simulation::info_of(const Message& message) {
  static const mail::Address kSender = mail::Address::from_text("sender@example.com");
  info_.id = mail::QueueId{static_cast<std::uint64_t>(message.first) + 1};
  info_.arrival.received_at = message.received_at;
  if (message.null_sender != info_.envelope.reverse_path.is_null())
    info_.envelope.reverse_path = message.null_sender ? mail::Address() : kSender;
  info_.traffic_class = message.traffic_class;
  return info_;
}

qmgr::RetryRules Simulation::rules_for(const Message& message, const DestinationPlan& plan) const {
  qmgr::RetryRules rules;
  rules.lifetimes = qmgr::lifetimes(scenario_.queue, message.null_sender);
  rules.delays =
      plan.settings.mailbox_schedule ? &scenario_.queue.retry_lmtp : &scenario_.queue.retry;
  rules.jitter = scenario_.queue.jitter;
  rules.final_delivery = plan.settings.pool == qmgr::Pool::lmtp;
  return rules;
}

WallTime Simulation::milestone_of(const Message& message, bool warned) const {
  return qmgr::next_milestone(qmgr::lifetimes(scenario_.queue, message.null_sender),
                              message.received_at, warned);
}

void Simulation::judge(std::uint32_t index, const mail::Outcome& outcome, Settled& settled) {
  ++report_.events;
  Recipient& r = recipients_[index];
  const DestinationPlan& plan = scenario_.destinations[r.destination];
  expect(r.phase == Phase::leased, "an outcome is for one who is lent, and is the only one",
         plan.key);
  r.phase = Phase::settling;
  const Message& message = messages_[r.message];
  if (outcome.disposition == mail::Disposition::delivered) {
    ++report_.delivered;
    ++hour().delivered;
    ++sites_[r.destination].result.delivered;
    auto delay = (now_ - message.received_at).count();
    delays_.push_back(static_cast<std::uint32_t>(std::clamp<std::int64_t>(delay, 0, UINT32_MAX)));
    return;
  }
  qmgr::RecipientFacts facts;
  facts.index = index;
  facts.attempts = r.attempts;
  facts.delay_warned = r.warned;
  if (r.greylisted_at != WallTime{}) facts.greylisted_at = r.greylisted_at;
  apply(index, qmgr::judge(info_of(message), facts, outcome, rules_for(message, plan), now_),
        settled);
}

void Simulation::apply(std::uint32_t index, const qmgr::Verdict& verdict, Settled& settled) {
  if (verdict.change.kind == qmgr::ChangeKind::defer) {
    ++hour().deferred;
    settled.waits.emplace_back(index, verdict.change);
  } else {
    ++report_.bounced;
    ++hour().bounced;
    ++sites_[recipients_[index].destination].result.bounced;
  }
  if (verdict.event == qmgr::Event::delayed) ++hour().warned;
}

// Jobs behind an open breaker or a suspension whose warning or expiry is due.
void Simulation::milestones_due() {
  for (qmgr::Pick& pick : scheduler_.take_milestones_due()) {
    Settled settled;
    settled.recipients = pick.job.recipients;
    for (std::uint32_t index : pick.job.recipients) {
      ++report_.events;
      Recipient& r = recipients_[index];
      expect(r.phase == Phase::queued, "only who is queued is passed over",
             sites_[r.destination].result.key);
      r.phase = Phase::settling;
      qmgr::RecipientFacts facts;
      facts.index = index;
      facts.attempts = r.attempts;
      facts.delay_warned = r.warned;
      const Message& message = messages_[r.message];
      qmgr::LastOutcome last;
      last.at = WallTime(Duration(1));
      apply(index,
            qmgr::judge_untried(info_of(message), facts, last,
                                rules_for(message, scenario_.destinations[r.destination]), now_),
            settled);
    }
    settle(std::move(settled));
  }
}

void Simulation::suspend(std::uint32_t destination, WallTime until) {
  scheduler_.suspend(name(destination), until, now_);
}

void Simulation::expect(bool holds, const char* promise, const std::string& about) {
  if (holds || report_.violations.size() >= kViolationsMax) return;
  report_.violations.push_back(fmt::format("{} after {} events: {} ({})", format_rfc3339_ms(now_),
                                           report_.events, promise, about));
}

Hour& Simulation::hour() {
  auto number = static_cast<std::size_t>((now_ - report_.start) / std::chrono::hours(1));
  while (report_.hours.size() <= number) {
    if (!report_.hours.empty()) report_.hours.back().waiting = open_;
    report_.hours.emplace_back();
  }
  return report_.hours[number];
}

Report Simulation::report() const {
  Report report = report_;
  report.end = now_;
  report.waiting = open_;
  if (!report.hours.empty()) report.hours.back().waiting = open_;
  std::vector<std::uint32_t> sorted = delays_;
  std::sort(sorted.begin(), sorted.end());
  report.delays = {sorted.size(), share_of(sorted, 0.5), share_of(sorted, 0.95),
                   share_of(sorted, 1)};
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    DestinationResult result = sites_[i].result;
    report.destinations.push_back(std::move(result));
  }
  return report;
}

}  // namespace postwain::simulator
