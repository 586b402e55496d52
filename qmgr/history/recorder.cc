#include "qmgr/history/recorder.h"

#include "common/log/log.h"

#include "qmgr/verdicts/retry_reason.h"

namespace postwain::qmgr {

namespace {

HistoryKind kind_of(mail::Disposition disposition) {
  switch (disposition) {
    case mail::Disposition::delivered:
      return HistoryKind::delivered;
    case mail::Disposition::failed:
      return HistoryKind::failed;
    case mail::Disposition::deferred:
      break;
  }
  return HistoryKind::deferred;
}

HistoryKind kind_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return HistoryKind::bounced;
    case DsnAction::delayed:
      return HistoryKind::warned;
    case DsnAction::delivered:
    case DsnAction::relayed:
    case DsnAction::expanded:
      break;
  }
  return HistoryKind::reported;
}

std::int64_t ms(WallTime time) {
  return to_unix_ms(time);
}

}  // namespace

Recorder::Recorder(net::Loop& loop, const std::string& folder, Duration keep)
    : history_(loop, folder + "/history.db", keep) {
  Result<AttemptJournal> journal = AttemptJournal::open(folder + "/attempts");
  if (!journal) {
    log::Line(log::Level::error, "no_attempt_journal").kv("error", journal.error().text);
    return;
  }
  journal_ = journal.take();
  if (journal_.left_count() > 0)
    log::Line(log::Level::warning, "attempts_interrupted").kv("recipients", journal_.left_count());
}

// Before the journal goes: what is still to be confirmed releases its slots.
Recorder::~Recorder() {
  history_.finish();
}

// --- attempts whose end nobody knows -----------------------------------------------------------

void Recorder::left_queued(const MessageInfo& message, const StoredRecipient& recipient, bool doubt,
                           WallTime now) {
  std::string address = recipient.recipient.address.text();
  EventRecord event;
  event.id = message.id;
  event.index = recipient.index;
  event.at = ms(message.arrival.received_at);
  event.recipient = address;
  event.destination = recipient.destination;
  history_.known(event);
  if (doubt) add_doubt(event, journal_.take_left(message.id, recipient.index), now);
}

// Its outcome was committed. If nothing was in doubt, only the journal's slot came too late.
void Recorder::leftover_gone(const AttemptJournal::Leftover& left, WallTime now) {
  std::uint32_t ticket = journal_.take_left(left.id, left.index);
  if (!left.doubt || left.delivered) return journal_.end(ticket);
  EventRecord event;
  event.id = left.id;
  event.index = left.index;
  add_doubt(event, ticket, now);
}

// Only now: until the commit, the death of qmgr leaves its end unseen once more.
void Recorder::left_settled(mail::QueueId id, std::uint32_t index, bool in_doubt) {
  std::uint32_t ticket = journal_.take_left(id, index);
  if (ticket == 0 || !in_doubt) return journal_.end(ticket);
  journal_.doubt(ticket);
  end_when_written(ticket);
}

void Recorder::adopted(const MessageInfo& message, const StoredRecipient& recipient,
                       const std::string& former, WallTime now) {
  if (!wanted()) return;
  std::string address = recipient.recipient.address.text();
  std::string why = "it was node " + former + "'s, which is gone";
  EventRecord event;
  event.id = message.id;
  event.index = recipient.index;
  event.kind = HistoryKind::adopted;
  event.at = ms(now);
  event.who = node_;
  event.why = why;
  event.recipient = address;
  event.destination = recipient.destination;
  add(event);
}

void Recorder::add_doubt(EventRecord event, std::uint32_t ticket, WallTime now) {
  event.kind = HistoryKind::in_doubt;
  event.at = ms(now);
  event.in_doubt = true;
  event.why =
      "an attempt ended unseen when a process was killed; it may have been delivered, and is "
      "tried again";
  add(event);
  journal_.doubt(ticket);
  end_when_written(ticket);
}

void Recorder::keep_doubt(WorkingRecipient& r) {
  std::uint32_t ticket = std::exchange(r.journal, 0);
  if (ticket == 0) return;
  journal_.doubt(ticket);
  end_when_written(ticket);
}

void Recorder::end_when_written(std::uint32_t ticket) {
  unwritten_.push_back(ticket);
  if (flushing_) return;
  flushing_ = true;
  history_.flush([this, tickets = std::exchange(unwritten_, {})] {
    for (std::uint32_t written : tickets) journal_.end(written);
    flushing_ = false;
    if (unwritten_.empty()) return;
    std::uint32_t next = unwritten_.back();
    unwritten_.pop_back();
    end_when_written(next);
  });
}

// --- events ------------------------------------------------------------------------------------

void Recorder::add(const EventRecord& event) {
  history_.happened(event);
  if (watcher_) watcher_({name_of(event.kind), event, {}, 0});
}

void Recorder::show_arrival(const NewMessage& message) {
  std::string sender = message.info.envelope.reverse_path.text();
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    std::string address = message.recipients[i].recipient.address.text();
    EventRecord event;
    event.id = message.info.id;
    event.index = static_cast<std::uint32_t>(i);
    event.at = ms(wall_now());
    event.host_address = message.info.arrival.client_address;
    event.recipient = address;
    event.destination = message.recipients[i].destination;
    watcher_({"received", event, sender, message.info.size});
  }
}

void Recorder::arrived(const NewMessage& message) {
  if (watcher_) show_arrival(message);
  judged(message);
}

void Recorder::judged(const NewMessage& message) {
  if (!history_.on()) return;
  bool scanned = !message.message_id.empty();
  history_.arrived(message,
                   scanned ? std::string_view(message.message_id) : message_id_in(message.content));
}

void Recorder::judgements(mail::QueueId id, std::string_view judgements) {
  if (history_.on() && !judgements.empty()) history_.judged(id, judgements);
}

void Recorder::discarded(const NewMessage& message, std::string_view header,
                         const std::string& filter) {
  if (watcher_) show_arrival(message);
  if (!history_.on()) return;
  history_.discarded(message, message_id_in(header), ms(wall_now()),
                     "discarded by filter " + filter);
}

void Recorder::held(const NewMessage& message, WallTime now) {
  if (!wanted()) return;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    EventRecord event;
    event.id = message.info.id;
    event.index = static_cast<std::uint32_t>(i);
    event.kind = HistoryKind::held;
    event.at = ms(now);
    event.why = message.held_for;
    event.recipient = message.recipients[i].recipient.address.text();
    event.destination = message.recipients[i].destination;
    add(event);
  }
}

void Recorder::leased(const MessageInfo& message, WorkingRecipient& r,
                      const std::string& destination, WallTime now) {
  r.leased_at = now;
  std::uint32_t ticket = journal_.left_count() > 0 ? journal_.take_left(message.id, r.index) : 0;
  if (ticket > 0) {
    r.in_doubt = true;
    std::string address = r.recipient.address.text();
    EventRecord event;
    event.id = message.id;
    event.index = r.index;
    event.recipient = address;
    event.destination = destination;
    add_doubt(event, ticket, now);
  }
  r.journal = journal_.begin(message.id, r.index);
}

void Recorder::ended(WorkingRecipient& r) {
  journal_.end(std::exchange(r.journal, 0));
}

EventRecord Recorder::attempt(mail::QueueId id, std::uint32_t index, const mail::Outcome& outcome,
                              WallTime began, WallTime now) const {
  EventRecord event;
  event.id = id;
  event.index = index;
  event.kind = kind_of(outcome.disposition);
  event.at = ms(now);
  event.stage = outcome.stage;
  event.in_doubt = outcome.in_doubt;
  event.began_at = ms(began);
  event.code = outcome.reply.code;
  event.enhanced = outcome.reply.enhanced;
  event.text = outcome.reply.text;
  event.host = outcome.remote_host;
  event.host_address = outcome.remote_address;
  event.tls = outcome.tls;
  return event;
}

void Recorder::delivered(const MessageInfo& message, const WorkingRecipient& r,
                         const std::string& destination, const mail::Outcome& outcome,
                         const AttemptFacts& facts, WallTime now) {
  if (!wanted()) return;
  EventRecord event = attempt(message.id, r.index, outcome, r.leased_at, now);
  std::string stages = facts.times.text();
  event.times = stages;
  std::string signing = facts.signing.text();
  event.signing = signing;
  event.recipient = r.recipient.address.text();
  event.destination = destination;
  add(event);
}

void Recorder::outcome(const MessageInfo& message, const RecipientFacts& before,
                       const mail::Outcome& outcome, const RecipientChange& change,
                       const RetryRules& rules, const AttemptFacts& facts, WallTime began,
                       WallTime now) {
  if (!wanted()) return;
  EventRecord event = attempt(message.id, before.index, outcome, began, now);
  std::string why = retry_reason(message, before, change, rules, now);
  event.why = why;
  std::string stages = facts.times.text();
  event.times = stages;
  std::string signing = facts.signing.text();
  event.signing = signing;
  if (change.kind == ChangeKind::defer) event.next_attempt_at = ms(change.next_attempt_at);
  event.recipient = before.recipient.address.text();
  event.destination = before.destination;
  add(event);
  if (change.kind != ChangeKind::quarantine) return;
  EventRecord held;
  held.id = message.id;
  held.index = before.index;
  held.kind = HistoryKind::held;
  held.at = ms(now);
  held.why = why;
  held.recipient = event.recipient;
  held.destination = event.destination;
  add(held);
}

void Recorder::gave_up(const MessageInfo& message, const std::vector<RecipientEvent>& events,
                       bool untold) {
  if (!wanted()) return;
  WallTime now = wall_now();
  for (const RecipientEvent& one : events) {
    bool nobody_to_tell = untold && (one.event == Event::failed || one.event == Event::expired);
    if (one.event != Event::expired && !nobody_to_tell) continue;
    EventRecord event;
    event.id = message.id;
    event.index = one.index;
    event.at = ms(now);
    event.code = one.details.reply.code;
    event.enhanced = one.details.reply.enhanced;
    event.text = one.details.reply.text;
    event.host = one.details.remote_host;
    event.recipient = one.details.recipient.address.text();
    if (one.event == Event::expired) {
      event.kind = HistoryKind::expired;
      event.why = "its lifetime is over";
      add(event);
    }
    if (nobody_to_tell) {
      event.kind = HistoryKind::dropped;
      event.why = message.kind == MessageKind::double_bounce
                      ? "it told the postmaster of a report that found no reader, in vain"
                      : "it has no sender who could be told";
      add(event);
    }
  }
}

void Recorder::told(const MessageInfo& message, const std::vector<NoticeOrder>& notices,
                    WallTime now) {
  if (!wanted()) return;
  for (const NoticeOrder& notice : notices) {
    for (std::size_t i = 0; i < notice.indices.size(); ++i) {
      EventRecord event;
      event.id = message.id;
      event.index = notice.indices[i];
      event.kind = kind_of(notice.request.action);
      event.at = ms(now);
      event.other = notice.request.id;
      event.why = notice.request.to.text();
      event.recipient = notice.request.recipients[i].recipient.address.text();
      add(event);
    }
  }
}

void Recorder::asked(HistoryKind kind, mail::QueueId id, const StoredRecipient& recipient,
                     const std::string& who, WallTime now) {
  if (!wanted()) return;
  EventRecord event;
  event.id = id;
  event.index = recipient.index;
  event.kind = kind;
  event.at = ms(now);
  event.who = who;
  event.recipient = recipient.recipient.address.text();
  event.destination = recipient.destination;
  add(event);
}

}  // namespace postwain::qmgr
