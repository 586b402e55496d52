#include "filter/member_record.h"

#include <utility>

#include "common/base/text.h"
#include "common/log/log.h"
#include "filter/deciding/filter_rules.h"

namespace postwain::filter {

using ipc::FilterFailure;
using ipc::FilterVerdict;

config::FilterRights MemberRecord::rights() const {
  return rights_at(judge_.terms().may, facts_.session.kind);
}

bool MemberRecord::take_part() {
  part_ = Part::hears;
  leave_ = judge_.breaker().ask(clock_.mono());
  return leave_ != Breaker::Leave::no;
}

void MemberRecord::settle() {
  if (part_ == Part::hears) part_ = Part::over;
  judge_.breaker().gave_up(std::exchange(leave_, Breaker::Leave::no));
}

void MemberRecord::abort() {
  judge_.breaker().gave_up(std::exchange(leave_, Breaker::Leave::no));
  part_ = Part::none;
}

void MemberRecord::begin_message() {
  abort();
  judgement_.reset();
}

ipc::FilterJudgement& MemberRecord::judge(FilterVerdict verdict, std::string_view text) {
  ipc::FilterJudgement& out = judgement_.emplace();
  out.filter = name();
  out.stage = stage_;
  out.verdict = verdict;
  out.text = text.substr(0, ipc::kFilterJudgementTextMax);
  out.watch = watched();
  return out;
}

ipc::FilterJudgement& MemberRecord::passed(const std::string& text) {
  ipc::FilterJudgement& out = judge(FilterVerdict::keep_going, text);
  judge_.succeeded();
  settle();
  return out;
}

Opinion MemberRecord::refused(FilterVerdict verdict, mail::Reply reply, bool for_message) {
  bool allowed = allows(rights(), verdict);
  log::Line(log::Level::info, "filter_refused")
      .kv("id", facts_.id())
      .kv("filter", name())
      .kv("stage", name_of(stage_))
      .kv("verdict", name_of(verdict))
      .kv("reply", reply.one_line())
      .kv("allowed", allowed)
      .kv("watch", watched());
  if (for_message && hears()) {
    ipc::FilterJudgement& said = judge(verdict, reply.one_line());
    if (!allowed) ++said.edits_not_allowed;
    judge_.succeeded();
    settle();
  }
  if (!allowed || watched()) return {};
  return {verdict, std::move(reply), for_message, std::nullopt};
}

Opinion MemberRecord::fail(FilterFailure failure, const std::string& why) {
  bool counts = failure != FilterFailure::own && failure != FilterFailure::breaker;
  bool in_message = part_ != Part::none;
  config::FilterFailure then = failure_at(judge_.terms().on_failure, facts_.session.kind);
  constexpr std::string_view kThen[] = {"accept", "defer", "refuse", "hold"};
  log::Line(counts ? log::Level::warning : log::Level::info, "filter_failed")
      .kv("id", facts_.id())
      .kv("filter", name())
      .kv("stage", name_of(stage_))
      .kv("kind", name_of(failure))
      .kv("reason", why)
      .kv("then",
          in_message && !judge_.watched() ? kThen[static_cast<std::size_t>(then)] : "nothing")
      .kv("watch", watched());
  judge_.note_failure(failure, why);
  Breaker::Leave leave = std::exchange(leave_, Breaker::Leave::no);
  if (counts)
    judge_.failed(clock_.mono(), leave);
  else
    judge_.breaker().gave_up(leave);
  if (!in_message) return {};
  part_ = Part::over;
  ipc::FilterJudgement& said =
      judge(FilterVerdict::keep_going, printable(why, ipc::kFilterJudgementTextMax));
  said.failure = failure;
  Opinion out;
  if (watched()) return out;
  out.reply = failure_reply(then);
  out.of_message = true;
  if (then == config::FilterFailure::hold) out.hold = name() + ": it could not be asked";
  if (then == config::FilterFailure::defer) out.verdict = FilterVerdict::defer;
  if (then == config::FilterFailure::refuse) out.verdict = FilterVerdict::refuse;
  said.verdict = out.verdict;
  said.hold = out.hold.has_value();
  return out;
}

}  // namespace postwain::filter
