#include "qmgr/judging/judging.h"

#include <algorithm>
#include <utility>

#include "common/filtering/judgement_log.h"
#include "common/filtering/session_filter.h"
#include "common/ipc/judgements.h"
#include "common/log/log.h"

#include "qmgr/judging/filter_outcomes.h"
#include "qmgr/judging/judged_message.h"
#include "qmgr/leaving/settling_log.h"
#include "qmgr/model/unjudged.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/verdicts/filters_asked.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kTriedWhenBack = 1000;  // recipients, when the filters are back

}  // namespace

Judging::Judging(QueueCore& core, const RetryTerms& terms, Acceptance& acceptance,
                 Settling& settling, ContentAccess& content)
    : core_(core),
      terms_(terms),
      acceptance_(acceptance),
      settling_(settling),
      content_(content),
      alarm_(core.clock.alarm()),
      lost_alarm_(core.clock.alarm()) {}

void Judging::stop() {
  alarm_->stop();
  lost_alarm_->stop();
  if (port_ != nullptr) port_->stop();
}

std::string Judging::trouble() const {
  if (port_ == nullptr || !port_->up()) return "the filter process is not there";
  return {};
}

std::string Judging::reason_of(mail::QueueId id) const {
  if (std::string why = trouble(); !why.empty()) return why;
  return is_judged_now(id) ? "that happens at this moment" : "others are being asked about";
}

void Judging::filters_up() {
  down_since_.reset();
  if (core_.finishing) return;
  core_.store.write(BringForward{std::string(kUnjudged), core_.clock.wall(), kTriedWhenBack},
                    [this] { look(); });
}

void Judging::look_later(Duration after) {
  if (core_.finishing) return;
  alarm_->start(after, [this] { look(); });
}

// --- which message is next -----------------------------------------------------------------------

void Judging::look() {
  if (core_.finishing) return;
  again_ = true;
  if (reading_ || running_.size() >= kJudgedAtOnce) return;
  again_ = false;
  reading_ = true;
  std::vector<mail::QueueId> running;
  for (const auto& [id, run] : running_) running.push_back(id);
  read_then(
      core_.store,
      [now = core_.clock.wall(), running = std::move(running)](QueueStore& store) {
        return find(store, now, running);
      },
      [this](StoreResult<Found> result) { found(std::move(result)); });
}

// The first one that is due, those aside that are judged already.
StoreResult<Judging::Found> Judging::find(QueueStore& store, WallTime now,
                                          const std::vector<mail::QueueId>& running) {
  Found out;
  StoreCursor after;
  for (std::size_t looks = 0; looks <= 4 * kJudgedAtOnce; ++looks) {
    auto page = store.waiting().due(std::string(kUnjudged), now, 1, after);
    if (!page) return page.error();
    if (page->rows.empty()) {
      out.next_due = page->next_due;
      return out;
    }
    const DuePage::Row& first = page->rows.front();
    after = {first.recipient.next_attempt_at, first.message, UINT32_MAX};
    if (std::binary_search(running.begin(), running.end(), first.message)) continue;
    QueueReader reader(store);
    auto message = reader.message(first.message, 0, kJudgedRecipientsMax);
    if (!message) return message.error();
    if (!*message) continue;
    out.message = UnjudgedMessage{std::move(**message), {}};
    const MessageInfo& info = out.message->message.info;
    if (!info.has_stored_content()) return out;
    auto stored = reader.content(info.id, 0, info.stored_size());
    if (!stored) return stored.error();
    if (*stored) out.message->stored = std::move(**stored);
    return out;
  }
  out.next_due = now + kFilterLookAgain;
  return out;
}

void Judging::found(StoreResult<Found> result) {
  reading_ = false;
  if (core_.finishing) return;
  if (!result) return core_.hooks.on_broken(result.error());
  if (result->message) {
    auto waiting = std::make_shared<const UnjudgedMessage>(*std::move(result->message));
    // It may have begun before this read was answered.
    if (is_judged_now(waiting->message.info.id)) return look();
    return begin(waiting);
  }
  if (again_) return look();
  if (result->next_due)
    look_later(std::max<Duration>(*result->next_due - core_.clock.wall(), Duration(1)));
}

void Judging::begin(const MessagePtr& waiting) {
  const MessageInfo& info = waiting->message.info;
  if (!filters_asked(core_.config, filter_kind(info))) {
    log::Line(log::Level::warning, "unfiltered")
        .kv("id", info.id.text())
        .kv("reason", "no filter is asked about such mail any more");
    running_[info.id] = {};
    accept(waiting, unchanged(*waiting));
    return look();
  }
  if (waits_for_process(waiting)) return;
  running_[info.id] = {};
  if (info.has_stored_content() && waiting->stored.size() != info.stored_size())
    hold(waiting, kHeldUnreadable);
  else if (trouble().empty())
    ask(waiting);
  else
    fall_back(waiting);
  look();
}

// The process is started and restarted beside us: for a moment it is not there.
bool Judging::waits_for_process(const MessagePtr&) {
  if (trouble().empty()) return false;
  MonoTime now = core_.clock.mono();
  if (!down_since_) down_since_ = now;
  if (now - *down_since_ >= kFilterGrace) return false;
  look_later(kFilterLookAgain);
  return true;
}

// --- what the filters have said ------------------------------------------------------------------

void Judging::judged(const MessagePtr& waiting, Judged judged) {
  if (core_.finishing) return;
  if (running_[waiting->message.info.id].overruled) return take_back(waiting, judged);
  note(waiting, judged.result);
  switch (judged.end) {
    case Judged::End::lost:
      return lost(waiting);
    case Judged::End::unreadable:
      return hold(waiting, kHeldUnreadable);
    case Judged::End::too_large:
      return settle(waiting,
                    refused_by(judged.result.filter,
                               {552, {5, 3, 4}, "Message too large after it was filtered"}));
    case Judged::End::result:
      if (judged.refused.empty()) return conclude(waiting, std::move(judged));
      return refuse_some(waiting, std::move(judged));
  }
}

// For the log, and for the history.
void Judging::note(const MessagePtr& waiting, const ipc::FilterResult& result) {
  mail::QueueId id = waiting->message.info.id;
  filtering::log_judgements(id, result);
  core_.recorder.judgements(id, ipc::encode_judgements(result.judgements));
}

void Judging::operator_acted(mail::QueueId id) {
  if (auto found = running_.find(id); found != running_.end()) found->second.overruled = true;
}

// Nothing comes of what they said; what is still unjudged is judged again.
void Judging::take_back(const MessagePtr& waiting, const Judged& judged) {
  if (judged.body && judged.body->in_file) content_.remove(judged.body->file);
  ended(waiting->message.info.id);
}

// Their sender is told of all of them together. A crash behind it, and the others are judged again.
void Judging::refuse_some(const MessagePtr& waiting, Judged judged) {
  std::map<std::uint32_t, mail::Outcome> refused;
  for (RefusedRecipient& one : judged.refused)
    refused.emplace(one.index, refused_by(one.filter, std::move(one.reply)));
  judged.refused.clear();
  auto others = std::make_shared<UnjudgedMessage>(*waiting);
  std::erase_if(others->message.recipients,
                [&](const StoredRecipient& row) { return refused.contains(row.index); });
  auto outcome_for = [&refused](const StoredRecipient& row) -> const mail::Outcome* {
    auto found = refused.find(row.index);
    return found == refused.end() ? nullptr : &found->second;
  };
  settle_each(waiting, outcome_for, [this, others, judged = std::move(judged)](const Settled&) {
    if (core_.finishing) return;
    if (others->message.recipients.empty()) return ended(others->message.info.id);
    conclude(others, judged);
  });
}

// Nobody knows what they would have said: it is judged again.
void Judging::lost(const MessagePtr& waiting) {
  if (++running_[waiting->message.info.id].losses >= kFilterLossesMax) return fall_back(waiting);
  lost_.push_back(waiting);
  ask_again();
}

void Judging::ask_again() {
  if (core_.finishing) return;
  bool is_up = trouble().empty();
  MonoTime now = core_.clock.mono();
  if (!is_up && !down_since_) down_since_ = now;
  bool gave_up = !is_up && now - *down_since_ >= kFilterGrace;
  if (!is_up && !gave_up) return lost_alarm_->start(kFilterLookAgain, [this] { ask_again(); });
  for (const MessagePtr& waiting : std::exchange(lost_, {}))
    is_up ? ask(waiting) : fall_back(waiting);
}

void Judging::ask(const MessagePtr& waiting) {
  port_->ask(waiting, [this, waiting](Judged judged) { this->judged(waiting, std::move(judged)); });
}

void Judging::fall_back(const MessagePtr& waiting) {
  config::FilterFailure failure = config::FilterFailure::defer;
  if (port_ != nullptr) failure = port_->fallback(filter_kind(waiting->message.info));
  if (failure == config::FilterFailure::accept)
    log::Line(log::Level::warning, "unfiltered")
        .kv("id", waiting->message.info.id.text())
        .kv("reason", "the filter process cannot be asked");
  Judged instead = without_filters(failure);
  instead.result.judgements = {filtering::unasked(instead.result, ipc::FilterFailure::unreachable)};
  note(waiting, instead.result);
  conclude(waiting, std::move(instead));
}

void Judging::conclude(const MessagePtr& waiting, Judged judged) {
  if (running_[waiting->message.info.id].overruled) return take_back(waiting, judged);
  const ipc::FilterResult& result = judged.result;
  // A notice is never refused, put off or thrown away, whatever is said of it.
  ipc::FilterVerdict verdict = filter_kind(waiting->message.info) == ipc::FilterKind::local
                                   ? result.verdict
                                   : ipc::FilterVerdict::keep_going;
  switch (verdict) {
    case ipc::FilterVerdict::keep_going:
      return go_on(waiting, std::move(judged));
    case ipc::FilterVerdict::discard:
      return discard(waiting, result.filter);
    case ipc::FilterVerdict::refuse:
      return settle(waiting, refused_by(result.filter, result.reply));
    case ipc::FilterVerdict::defer:
    case ipc::FilterVerdict::hang_up:
      return settle(waiting, put_off_by(result.filter, result.reply));
  }
}

void Judging::go_on(const MessagePtr& waiting, Judged judged) {
  std::string filter = judged.result.filter;
  std::optional<mail::QueueId> file;
  if (judged.body && judged.body->in_file) file = judged.body->file;
  std::string judgements = ipc::encode_judgements(judged.result.judgements);
  JudgedEdits edits = edited(*waiting, std::move(judged));
  if (edits.message && edits.message->info.id != waiting->message.info.id)
    edits.message->judgements = std::move(judgements);
  for (const std::string& mistake : edits.mistakes)
    log::Line(log::Level::warning, "filter_mistake")
        .kv("id", waiting->message.info.id.text())
        .kv("filter", filter)
        .kv("text", mistake);
  bool goes = edits.message && !edits.message->recipients.empty();
  bool uses_file = goes && file && edits.message->info.in_file && edits.message->info.id == *file;
  if (file && !uses_file) content_.remove(*file);
  if (goes) return accept(waiting, *std::move(edits.message));
  if (edits.message) return discard(waiting, filter);
  settle(
      waiting,
      refused_by(filter, {552, {5, 3, 4}, "Header section too large to be changed by a filter"}));
}

void Judging::accept(const MessagePtr& waiting, NewMessage message) {
  NewMessage known;
  known.info = message.info;
  acceptance_.accept(std::move(message), [this, waiting, known = std::move(known)](AcceptEnd end) {
    accepted(waiting, known, end);
  });
}

// In the store another message stands in its place, or the old one as before.
void Judging::accepted(const MessagePtr& waiting, const NewMessage& message, AcceptEnd end) {
  const MessageInfo& old = waiting->message.info;
  bool has_new_file = message.info.in_file && (!old.in_file || message.info.id != old.id);
  if (end == AcceptEnd::stored) {
    for (const StoredRecipient& row : waiting->message.recipients)
      core_.counts.removed(old.id, count_key_of(core_.counts, old, row));
    core_.counts.removed_message(old.id);
    if (old.in_file && (!message.info.in_file || has_new_file)) content_.remove(old.id);
    return ended(old.id);
  }
  if (has_new_file && end != AcceptEnd::unknown) content_.remove(message.info.id);
  if (end == AcceptEnd::unexpandable)
    return settle(
        waiting,
        refused_by({}, {550, {5, 2, 4}, "What a recipient stands for cannot be worked out"}));
  if (end == AcceptEnd::faulty)
    return settle(waiting,
                  put_off_by({}, {451, {4, 3, 5}, "The alias of a recipient cannot be used"}));
  running_.erase(old.id);
  if (end == AcceptEnd::conflict) return look();
  look_later(kStorePause);
}

void Judging::discard(const MessagePtr& waiting, const std::string& filter) {
  mail::Outcome outcome = outcome_of({250, {2, 0, 0}, "discarded by filter " + filter});
  outcome.dsn_passed_on = true;  // nobody is told
  for (const StoredRecipient& row : waiting->message.recipients)
    log_discarded(waiting->message.info, row.recipient.address, outcome);
  core_.metrics.discarded += waiting->message.recipients.size();
  settle(waiting, outcome);
}

void Judging::hold(const MessagePtr& waiting, const char* why) {
  WallTime now = core_.clock.wall();
  std::vector<RecipientChange> changes;
  for (const StoredRecipient& row : waiting->message.recipients) {
    RecipientFacts facts = RetryTerms::facts_of(row);
    changes.push_back(judge_undeliverable(facts, why, now).change);
    changes.back().count_key = count_key_of(core_.counts, waiting->message.info, row);
    log_held(waiting->message.info.id, facts, changes.back());
  }
  submit(waiting, std::move(changes), {},
         [this, id = waiting->message.info.id](const Settled&) { ended(id); });
}

void Judging::settle(const MessagePtr& waiting, const mail::Outcome& outcome) {
  settle_each(
      waiting, [&outcome](const StoredRecipient&) { return &outcome; },
      [this, id = waiting->message.info.id](const Settled&) { ended(id); });
}

void Judging::settle_each(const MessagePtr& waiting, const OutcomeFor& outcome_for, Done done) {
  const MessageInfo& info = waiting->message.info;
  WallTime now = core_.clock.wall();
  std::vector<RecipientChange> changes;
  std::vector<RecipientEvent> events;
  for (const StoredRecipient& row : waiting->message.recipients) {
    const mail::Outcome* said = outcome_for(row);
    if (said == nullptr) continue;
    const mail::Outcome& outcome = *said;
    bool waits = outcome.disposition == mail::Disposition::deferred;
    if (waits && row.state == RecipientState::held) continue;
    RecipientFacts facts = RetryTerms::facts_of(row);
    RetryRules rules = terms_.rules_for(info, row.recipient.address);
    Verdict verdict = judge(info, facts, outcome, rules, now);
    RecipientChange& change = verdict.change;
    if (change.kind == ChangeKind::defer)
      change.next_attempt_at = std::min(change.next_attempt_at, now + pause_after(change.attempts));
    change.count_key = count_key_of(core_.counts, info, row);
    core_.recorder.outcome(info, facts, outcome, change, rules, {}, now, now);
    if (verdict.event)
      events.push_back(
          {row.index, *verdict.event,
           details_of(facts, {now, outcome.stage, outcome.reply, outcome.remote_host})});
    changes.push_back(std::move(change));
  }
  submit(waiting, std::move(changes), std::move(events), std::move(done));
}

void Judging::submit(const MessagePtr& waiting, std::vector<RecipientChange> changes,
                     std::vector<RecipientEvent> events, Done done) {
  mail::QueueId id = waiting->message.info.id;
  if (changes.empty()) return ended(id);
  Settlement settlement;
  settlement.id = id;
  settlement.in_file = waiting->message.info.in_file;
  settlement.changes = std::move(changes);
  settlement.maybe_all = settlement.changes.size() == waiting->message.recipients.size();
  settling_.submit(std::move(settlement), waiting->message.info, std::move(events), true,
                   std::move(done));
}

void Judging::ended(mail::QueueId id) {
  running_.erase(id);
  look();
}

}  // namespace postwain::qmgr
