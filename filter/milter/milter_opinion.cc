// What a milter says, and how it fails. (milter_member.cc: what it is told.)
#include <utility>

#include "filter/deciding/filter_rules.h"
#include "filter/deciding/message_edits.h"
#include "filter/milter/milter_member.h"
#include "filter/milter/outside_filter.h"

namespace postwain::filter {

using ipc::FilterFailure;
using ipc::FilterStage;
using ipc::FilterVerdict;

namespace {

FilterVerdict verdict_of(milter::Verdict verdict) {
  switch (verdict) {
    case milter::Verdict::refuse:
      return FilterVerdict::refuse;
    case milter::Verdict::defer:
      return FilterVerdict::defer;
    case milter::Verdict::discard:
      return FilterVerdict::discard;
    case milter::Verdict::hang_up:
      return FilterVerdict::hang_up;
    case milter::Verdict::keep_going:
    case milter::Verdict::accept:
    case milter::Verdict::skip:
      break;
  }
  return FilterVerdict::keep_going;
}

FilterStage stage_of(milter::Stage stage) {
  switch (stage) {
    case milter::Stage::connect:
      return FilterStage::connect;
    case milter::Stage::helo:
      return FilterStage::helo;
    case milter::Stage::mail:
      return FilterStage::mail;
    case milter::Stage::rcpt:
      return FilterStage::rcpt;
    case milter::Stage::data:
      return FilterStage::data;
    case milter::Stage::unknown:
      return FilterStage::unknown;
    case milter::Stage::header:
    case milter::Stage::end_of_header:
      return FilterStage::end_of_header;
    case milter::Stage::body:
    case milter::Stage::end_of_message:
      break;
  }
  return FilterStage::end_of_message;
}

// The session is told of by its greeting; this only says up to where.
ipc::FilterEvent again_of(FilterStage stage) {
  ipc::FilterEvent event;
  event.stage = stage;
  return event;
}

}  // namespace

std::optional<Opinion> MilterMember::poll() {
  if (opinion_) return std::exchange(opinion_, std::nullopt);
  if (!connection_) return Opinion{};
  if (waiting_ && connection_->ready()) {
    tell(*std::exchange(waiting_, std::nullopt));
  }
  Opinion opinion;
  if (collect(opinion)) return opinion;
  bool owes = waiting_ || !expected_.empty();
  if (connection_->failure() != FilterFailure::none && (owes || hears()))
    return connection_failed();
  if (owes) return std::nullopt;
  return Opinion{};
}

// Takes in what has come. True: it has said something, and all before it is settled.
bool MilterMember::collect(Opinion& opinion) {
  milter::MilterEngine& engine = connection_->engine();
  for (milter::Edit& edit : engine.edits().take()) {
    if (edit.kind != milter::Edit::Kind::replace_body)
      message_.edits.push_back(std::move(edit));
    else if (!add_to_body(edit.value, opinion))
      return true;
  }
  while (auto said = engine.next_verdict()) {
    if (!expected_.empty() && said->stage == expected_.front()) expected_.pop_front();
    opinion = heard(std::move(*said));
    if (!connection_) return true;
    if (opinion.verdict == FilterVerdict::keep_going) continue;
    // A refused session, recipient or message: what was given along with it does not matter.
    expected_.clear();
    return true;
  }
  return false;
}

bool MilterMember::add_to_body(std::string_view octets, Opinion& opinion) {
  if (!message_.new_body) message_.new_body = std::make_unique<BodyStore>(shared_.room);
  if (message_.new_body->size() + octets.size() > kNewBodyMax) {
    opinion = fail(FilterFailure::protocol, "its new body is too long");
    return false;
  }
  if (Status kept = message_.new_body->append(message_.lines.take(octets)); !kept) {
    opinion = fail(FilterFailure::own, kept.error().text);
    return false;
  }
  return true;
}

Opinion MilterMember::heard_no_objection(milter::MilterEngine::StageVerdict said) {
  FilterStage stage = stage_of(said.stage);
  bool accepted = said.verdict == milter::Verdict::accept;
  if (accepted && !is_of_message(stage)) state_.ends_session = stage != FilterStage::unknown;
  bool last_word =
      is_of_message(stage) && (accepted || said.stage == milter::Stage::end_of_message);
  if (!last_word || !hears()) return {};
  // What came of a new body is the whole of it.
  if (message_.new_body)
    if (Status kept = message_.new_body->append(message_.lines.finish()); !kept)
      return fail(FilterFailure::own, kept.error().text);
  record_.set_stage(stage);
  complete(record_.passed({}));
  return {};
}

Opinion MilterMember::heard(milter::MilterEngine::StageVerdict said) {
  FilterStage stage = stage_of(said.stage);
  FilterVerdict verdict = verdict_of(said.verdict);
  if (verdict == FilterVerdict::keep_going) return heard_no_objection(std::move(said));
  mail::Reply reply = said.reply.code != 0 ? said.reply : plain_reply(verdict);
  bool for_message = verdict == FilterVerdict::discard || verdict == FilterVerdict::hang_up ||
                     (is_of_message(stage) && stage != FilterStage::rcpt);
  bool judged = for_message && hears();
  FilterStage told = record_.stage();
  record_.set_stage(stage);
  if (judged) forget_edits();
  Opinion out = record_.refused(verdict, std::move(reply), for_message);
  if (judged)
    complete(*record_.judgement());
  else
    record_.set_stage(told);
  if (verdict == FilterVerdict::hang_up || stage == FilterStage::connect)
    state_.ends_session = true;
  return out;
}

void MilterMember::forget_edits() {
  message_.edits.clear();
  message_.new_body.reset();
  message_.lines = {};
}

// What only the connection knows of what the milter said.
void MilterMember::complete(ipc::FilterJudgement& judgement) {
  if (connection_) {
    judgement.milliseconds = static_cast<std::uint32_t>(connection_->waited().count());
    judgement.edits_not_allowed +=
        static_cast<std::uint32_t>(connection_->engine().edits().refused());
  }
  judgement.edits = static_cast<std::uint32_t>(message_.edits.size() + (message_.new_body ? 1 : 0));
  judgement.edited = kinds_of(message_.edits);
  judgement.edited.body = message_.new_body != nullptr;
  for (const milter::Edit& edit : message_.edits)
    if (edit.kind == milter::Edit::Kind::quarantine) {
      judgement.hold = true;
      judgement.text = edit.value.substr(0, ipc::kFilterJudgementTextMax);
    }
  if (judgement.watch) forget_edits();
}

// --- failures and ends ---------------------------------------------------------------------------

// A filter may end a connection that nobody used; whether it has can be seen too late only.
std::optional<Opinion> MilterMember::connection_failed() {
  bool of_mail = hears() && record_.stage() == FilterStage::mail;
  bool of_session = record_.stage() == FilterStage::connect || record_.stage() == FilterStage::helo;
  if (state_.retry && (of_mail || of_session) && !expected_.empty() &&
      connection_->failure() == FilterFailure::closed) {
    open_anew();
    connection_->begin_message();
    waiting_ = of_mail ? message_.mail : again_of(record_.stage());
    return std::nullopt;
  }
  std::string why = connection_->why();
  return fail(connection_->failure(), why);
}

Opinion MilterMember::fail(FilterFailure failure, const std::string& why) {
  forget_edits();
  bool in_message = record_.is_in_message();
  Opinion out = record_.fail(failure, why);
  if (in_message) complete(*record_.judgement());
  connection_.reset();
  state_ = {};
  expected_.clear();
  waiting_.reset();
  return out;
}

}  // namespace postwain::filter
