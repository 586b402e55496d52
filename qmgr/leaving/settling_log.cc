#include "qmgr/leaving/settling_log.h"

#include "common/log/log.h"

#include "qmgr/store/decided.h"

namespace postwain::qmgr {

mail::Outcome outcome_of(const mail::Reply& decided) {
  mail::Outcome outcome = mail::local_outcome(
      decided.positive() ? mail::Disposition::delivered : mail::Disposition::failed,
      mail::Stage::local, mail::Blame::recipient, decided.enhanced, decided.text);
  if (decided.positive()) outcome.remote_host = kDiscardHost;
  return outcome;
}

void log_held(mail::QueueId id, const RecipientFacts& facts, const RecipientChange& change) {
  log::Line(log::Level::error, "held")
      .kv("id", id.text())
      .kv("to", facts.recipient.address.text())
      .kv("reason", change.last.reply.text);
}

void log_null_sender_refused(mail::QueueId id, const RecipientFacts& facts,
                             const mail::Outcome& outcome) {
  log::Line(log::Level::warning, "null_sender_refused")
      .kv("id", id.text())
      .kv("to", facts.recipient.address.text())
      .kv("destination", facts.destination)
      .kv("reply", outcome.reply.one_line())
      .kv("reason",
          "no report of ours can leave by this next hop; it is tried until its lifetime "
          "is over");
}

void log_discarded(const MessageInfo& info, const mail::Address& recipient,
                   const mail::Outcome& outcome) {
  log::Line(log::Level::info, "discarded")
      .kv("id", info.id.text())
      .kv("to", recipient.text())
      .kv("from", info.envelope.reverse_path.text())
      .kv("reason", outcome.reply.text);
}

void log_events(const MessageInfo& info, const std::vector<RecipientEvent>& events, bool untold) {
  for (const RecipientEvent& event : events) {
    std::string_view name;
    switch (event.event) {
      case Event::failed:
        name = untold ? "dropped" : "bounced";
        break;
      case Event::expired:
        name = untold ? "dropped" : "expired";
        break;
      case Event::delayed:
        name = "delayed";
        break;
      case Event::delivered:
      case Event::relayed:
      case Event::expanded:
        continue;  // the agent has logged it
    }
    log::Line(log::Level::info, name)
        .kv("id", info.id.text())
        .kv("to", event.details.recipient.address.text())
        .kv("from", info.envelope.reverse_path.text())
        .kv("reply", event.details.reply.one_line());
  }
}

}  // namespace postwain::qmgr
