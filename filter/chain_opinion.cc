// What a filter says, and how it fails. (chain_member.cc: what it is told.)
#include <utility>

#include "common/base/text.h"
#include "common/log/log.h"
#include "filter/chain_member.h"
#include "filter/deciding/filter_rules.h"

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

}  // namespace

std::optional<Opinion> ChainMember::poll() {
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
bool ChainMember::collect(Opinion& opinion) {
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

bool ChainMember::add_to_body(std::string_view octets, Opinion& opinion) {
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

Opinion ChainMember::heard(milter::MilterEngine::StageVerdict said) {
  FilterStage stage = stage_of(said.stage);
  bool of_message = is_of_message(stage);
  FilterVerdict verdict = verdict_of(said.verdict);
  if (verdict == FilterVerdict::keep_going) {
    bool accepted = said.verdict == milter::Verdict::accept;
    if (accepted && !of_message) state_.ends_session = stage != FilterStage::unknown;
    bool last_word = of_message && (accepted || said.stage == milter::Stage::end_of_message);
    if (last_word && hears()) {
      stage_ = stage;
      // What came of a new body is the whole of it.
      if (message_.new_body)
        if (Status kept = message_.new_body->append(message_.lines.finish()); !kept)
          return fail(FilterFailure::own, kept.error().text);
      judge(verdict, {});
      filter_.succeeded();
      settle();
    }
    return {};
  }
  mail::Reply reply = said.reply.code != 0 ? said.reply : plain_reply(verdict);
  bool allowed = allows(filter_.settings().may, verdict);
  bool for_message = verdict == FilterVerdict::discard || verdict == FilterVerdict::hang_up ||
                     (of_message && stage != FilterStage::rcpt);
  log::Line(log::Level::info, "filter_refused")
      .kv("id", facts_.id())
      .kv("filter", name())
      .kv("stage", name_of(stage))
      .kv("verdict", name_of(verdict))
      .kv("reply", reply.one_line())
      .kv("allowed", allowed)
      .kv("watch", filter_.watched());
  if (for_message && hears()) {
    stage_ = stage;
    message_.edits.clear();
    message_.new_body.reset();
    judge(verdict, reply.one_line());
    if (!allowed) ++message_.judgement->edits_not_allowed;
    filter_.succeeded();
    settle();
  }
  if (verdict == FilterVerdict::hang_up || stage == FilterStage::connect)
    state_.ends_session = true;
  if (!allowed || filter_.watched()) return {};
  return {verdict, std::move(reply), for_message, std::nullopt};
}

// The filter's part in this message is over, and the breaker knows how.
void ChainMember::settle() {
  if (part_ == Part::hears) part_ = Part::over;
  filter_.breaker().gave_up(std::exchange(message_.leave, Breaker::Leave::no));
}

void ChainMember::judge(FilterVerdict verdict, const std::string& text) {
  ipc::FilterJudgement out;
  out.filter = name();
  out.stage = stage_;
  out.verdict = verdict;
  out.text = text;
  out.watch = filter_.watched();
  if (connection_) {
    out.milliseconds = static_cast<std::uint32_t>(connection_->waited().count());
    out.edits_not_allowed = static_cast<std::uint32_t>(connection_->engine().edits().refused());
  }
  out.edits = static_cast<std::uint32_t>(message_.edits.size() + (message_.new_body ? 1 : 0));
  for (const milter::Edit& edit : message_.edits)
    if (edit.kind == milter::Edit::Kind::quarantine) {
      out.hold = true;
      out.text = edit.value;
    }
  if (out.watch) {
    message_.edits.clear();
    message_.new_body.reset();
  }
  out.text.resize(std::min(out.text.size(), ipc::kFilterJudgementTextMax));
  message_.judgement = std::move(out);
}

// --- failures and ends ---------------------------------------------------------------------------

// A filter may end a connection that nobody used; whether it has can be seen too late only.
std::optional<Opinion> ChainMember::connection_failed() {
  bool unanswered = hears() && stage_ == FilterStage::mail && !expected_.empty();
  if (state_.retry && unanswered && connection_->failure() == FilterFailure::closed) {
    open();
    connection_->begin_message();
    waiting_ = message_.mail;
    return std::nullopt;
  }
  std::string why = connection_->why();
  return fail(connection_->failure(), why);
}

Opinion ChainMember::fail(FilterFailure failure, const std::string& why) {
  bool counts = failure != FilterFailure::own && failure != FilterFailure::breaker;
  bool in_message = part_ != Part::none;
  config::FilterFailure then = filter_.settings().on_failure;
  constexpr std::string_view kThen[] = {"accept", "defer", "refuse", "hold"};
  log::Line(counts ? log::Level::warning : log::Level::info, "filter_failed")
      .kv("id", facts_.id())
      .kv("filter", name())
      .kv("stage", name_of(stage_))
      .kv("kind", name_of(failure))
      .kv("reason", why)
      .kv("then", in_message ? kThen[static_cast<std::size_t>(then)] : "nothing")
      .kv("watch", filter_.watched());
  message_.edits.clear();
  message_.new_body.reset();
  message_.lines = {};
  if (in_message) {
    judge(FilterVerdict::keep_going, printable(why, ipc::kFilterJudgementTextMax));
    message_.judgement->failure = failure;
    part_ = Part::over;
  }
  Breaker::Leave leave = std::exchange(message_.leave, Breaker::Leave::no);
  if (counts)
    filter_.failed(shared_.clock.mono(), leave);
  else
    filter_.breaker().gave_up(leave);
  connection_.reset();
  state_ = {};
  expected_.clear();
  waiting_.reset();
  Opinion out;
  if (!in_message || filter_.watched()) return out;
  out.reply = failure_reply(then);
  out.of_message = true;
  if (then == config::FilterFailure::hold) out.hold = name() + ": it could not be asked";
  if (then == config::FilterFailure::defer) out.verdict = FilterVerdict::defer;
  if (then == config::FilterFailure::refuse) out.verdict = FilterVerdict::refuse;
  message_.judgement->verdict = out.verdict;
  message_.judgement->hold = out.hold.has_value();
  return out;
}

}  // namespace postwain::filter
