#include "qmgr/entering/acceptance.h"

#include <iterator>

#include "common/log/log.h"

#include "qmgr/model/unjudged.h"
#include "qmgr/routing/expansion.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/verdicts/filters_asked.h"

namespace postwain::qmgr {

void Acceptance::accept(NewMessage message, Done done) {
  for (NewRecipient& r : message.recipients)
    if (!r.recipient.address.has_domain() &&
        r.recipient.decided.code == 0)  // the bare <postmaster> of RFC 5321 4.5.1
      r.recipient.address = mail::Address::from_text(core_.config.postmaster);
  if (message.local && !message.judged) {
    if (filters_asked(core_.config, filter_kind(message.info)))
      return wait_for_filters(std::move(message), std::move(done));
    // Of another queue, where it waited for filters: nobody has expanded it.
    message.restored = message.restored && message.info.kind != MessageKind::mail;
  }
  auto request = std::make_unique<AcceptRequest>();
  Submission& submission = request->submission;
  if (core_.rewriter->idle() || message.restored) {
    if (!message.restored) unite_equal(message.recipients);
    submission.message = std::move(message);
  } else if (AcceptEnd end = expand_into(submission, std::move(message));
             end != AcceptEnd::stored) {
    return done(end);
  }
  route(submission.message);
  for (NewMessage& part : submission.parts) route(part);
  request->due = core_.clock.wall();
  request->done = [this, done = std::move(done)](AcceptRequest& r) { ended(r, done); };
  commit(std::move(request));
}

namespace {

// Recipients whose end is known already are not asked about; with the message itself it becomes
// durable that its sender hears of them.
std::vector<RecipientEvent> take_failed(NewMessage& message) {
  std::vector<RecipientEvent> failed;
  std::erase_if(message.recipients, [&](const NewRecipient& r) {
    if (r.recipient.decided.code == 0) return false;
    RecipientEvent event;
    event.index = static_cast<std::uint32_t>(failed.size());
    event.details.recipient = r.recipient;
    event.details.reply = r.recipient.decided;
    event.details.last_attempt_at = message.info.arrival.received_at;
    if (!r.recipient.decided.positive()) failed.push_back(std::move(event));
    return true;
  });
  return failed;
}

// Which of the messages leave under a rewritten sender, and which should and do not.
void note_senders(Metrics& metrics, mail::QueueId id, const std::string& sender,
                  const ExpandedMail& expanded) {
  for (const NewMessage& part : expanded.messages)
    if (part.srs) ++metrics.senders_rewritten;
  if (expanded.sender_kept == rewrite::SrsProblem::none) return;
  ++metrics.senders_not_rewritten;
  log::Line(log::Level::warning, "sender_not_rewritten")
      .kv("id", id.text())
      .kv("from", sender)
      .kv("reason", rewrite::text_of(expanded.sender_kept));
}

}  // namespace

// As it came, and under a destination of its own (unjudged.h). What its recipients stand for is
// worked out when the filters have spoken; where that cannot be done its submitter hears it now.
void Acceptance::wait_for_filters(NewMessage message, Done done) {
  auto request = std::make_unique<AcceptRequest>();
  if (!core_.rewriter->idle() && message.info.kind == MessageKind::mail) {
    NewMessage on_trial;
    on_trial.info = message.info;
    on_trial.recipients = message.recipients;
    Submission ignored;
    if (AcceptEnd end = expand_into(ignored, std::move(on_trial)); end != AcceptEnd::stored)
      return done(end);
  }
  std::vector<RecipientEvent> failed = take_failed(message);
  if (message.recipients.empty()) return done(AcceptEnd::unexpandable);
  if (!failed.empty())
    request->submission.notices = notices_.orders_for(message.info, std::move(failed));
  unite_equal(message.recipients);
  for (NewRecipient& r : message.recipients) r.destination = kUnjudged;
  message.info.traffic_class =
      classify(message.info.kind, message.info.envelope, message.recipients.size());
  request->submission.message = std::move(message);
  request->due = core_.clock.wall();
  request->done = [this, done = std::move(done)](AcceptRequest& r) { ended(r, done); };
  commit(std::move(request));
}

// stored: it can go on.
AcceptEnd Acceptance::expand_into(Submission& submission, NewMessage message) {
  mail::QueueId id = message.info.id;
  std::string sender = message.info.envelope.reverse_path.text();
  ExpandedMail expanded =
      expand(std::move(message), *core_.rewriter, [this] { return core_.next_id(); },
             {core_.forwarding.get(), core_.clock.wall()});
  if (expanded.problem != rewrite::Problem::none)
    log::Line(log::Level::warning, "not_expanded")
        .kv("id", id.text())
        .kv("to", expanded.problem_at)
        .kv("reason", rewrite::text_of(expanded.problem))
        .kv("config", expanded.origin.text());
  if (expanded.messages.empty())
    return expanded.problem == rewrite::Problem::fault ? AcceptEnd::faulty
                                                       : AcceptEnd::unexpandable;
  note_senders(core_.metrics, id, sender, expanded);
  submission.message = std::move(expanded.messages.front());
  submission.parts.assign(std::make_move_iterator(expanded.messages.begin() + 1),
                          std::make_move_iterator(expanded.messages.end()));
  if (!expanded.told.empty())
    submission.notices = notices_.orders_for(expanded.as_given, std::move(expanded.told));
  return AcceptEnd::stored;
}

void Acceptance::route(NewMessage& message) {
  for (NewRecipient& r : message.recipients)
    r.destination = r.recipient.decided.positive()
                        ? mail::NextHop{mail::HopKind::discard, {}, {}}.key()
                        : destinations_
                              .route(r.recipient.address, message.info.envelope.reverse_path,
                                     message.info.arrival.client_address)
                              .key;
  message.info.traffic_class =
      classify(message.info.kind, message.info.envelope, message.recipients.size());
  message.is_compact = message.held_for.empty() &&
                       message.recipients.size() <= kCompactRecipients && core_.working.has_room();
}

void Acceptance::ended(AcceptRequest& request, const Done& done) {
  AcceptEnd end = request.end;
  early_names_.ended(request);
  if (end == AcceptEnd::failed || end == AcceptEnd::conflict || end == AcceptEnd::unknown)
    log::Line(log::Level::error, "not_accepted")
        .kv("id", request.submission.message.info.id.text())
        .kv("error", end == AcceptEnd::conflict ? "the id is taken" : request.error);
  if (end == AcceptEnd::stored)
    accepted(std::move(request.submission), request.due, request.began);
  else if (end != AcceptEnd::unknown)
    remove_parts(request.submission);
  done(end);
}

// Before the rows: the content is where whoever delivers it looks for it, or there are no rows.
void Acceptance::commit(std::unique_ptr<AcceptRequest> request) {
  if (!request->submission.message.info.in_file) return store(std::move(request));
  auto shared = std::make_shared<std::unique_ptr<AcceptRequest>>(std::move(request));
  const Submission& submission = (*shared)->submission;
  content_.keep(submission, [this, shared](const StoreStatus& kept) {
    std::unique_ptr<AcceptRequest> own = std::move(*shared);
    if (kept) {
      own->done = [this, done = std::move(own->done)](AcceptRequest& r) {
        content_.release(r.submission, r.end);
        done(r);
      };
      return store(std::move(own));
    }
    bool is_full = kept.error().kind == StoreError::Kind::full;
    own->end = is_full ? AcceptEnd::full : AcceptEnd::failed;
    own->error = kept.error().text;
    own->done(*own);
  });
}

void Acceptance::store(std::unique_ptr<AcceptRequest> request) {
  early_names_.choose(*request);
  core_.store.accept(std::move(request));
}

void Acceptance::remove_parts(const Submission& submission) {
  if (!submission.message.info.in_file) return;
  for (const NewMessage& part : submission.parts) content_.remove(part.info.id);
}

void Acceptance::accepted(Submission submission, WallTime due,
                          std::chrono::steady_clock::time_point began) {
  std::size_t recipients = submission.message.recipients.size();
  for (const NewMessage& part : submission.parts) recipients += part.recipients.size();
  if (!submission.message.judged)
    core_.metrics.accepted(recipients, std::chrono::duration_cast<std::chrono::microseconds>(
                                           std::chrono::steady_clock::now() - began));
  for (NewMessage& part : submission.parts)
    if (part.info.has_stored_content()) part.content = submission.message.content;
  for (const NoticeOrder& order : submission.notices) core_.metrics.notice(order.request.action);
  offering_.committed(std::move(submission.message), due);
  for (NewMessage& part : submission.parts) offering_.committed(std::move(part), due);
  for (NewMessage& notice : submission.written) offering_.committed(std::move(notice), due);
}

}  // namespace postwain::qmgr
