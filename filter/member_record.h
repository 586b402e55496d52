// What members of all kinds do alike: their part in the message under way, leave of the breaker,
// the judgement for the history, what failures lead to, and whether a verdict counts at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "filter/chain_member.h"
#include "filter/judge.h"

namespace postwain::filter {

class MemberRecord {
 public:
  // All outlive it.
  MemberRecord(Judge& judge, Clock& clock, const SessionFacts& facts)
      : judge_(judge), clock_(clock), facts_(facts) {}
  ~MemberRecord() { abort(); }
  MemberRecord(const MemberRecord&) = delete;
  MemberRecord& operator=(const MemberRecord&) = delete;

  const std::string& name() const { return judge_.name(); }
  bool watched() const { return judge_.watched(); }
  bool may(config::FilterRight right) const { return rights().has(right); }
  // What is under way; judgements and the log name it.
  void set_stage(ipc::FilterStage stage) { stage_ = stage; }
  ipc::FilterStage stage() const { return stage_; }

  // --- of one message
  // It takes part from now on. False: the breaker says no; fail() with that reason is next.
  bool take_part();
  bool hears() const { return part_ == Part::hears; }
  // It takes part, or did.
  bool is_in_message() const { return part_ != Part::none; }
  // It has spoken its last word: keep_going, since others go through refused(). The judgement may
  // be completed.
  ipc::FilterJudgement& passed(const std::string& text);
  // It refuses in some way. What of it counts; the judgement, where there is one, may be completed.
  // for_message: the whole message, which gets a judgement, and not this command alone.
  Opinion refused(ipc::FilterVerdict verdict, mail::Reply reply, bool for_message);
  // What follows from it is what on_failure says.
  Opinion fail(ipc::FilterFailure failure, const std::string& why);
  // The judge hears no more of this message.
  void settle();
  // The message is over.
  void abort();
  // Another one begins.
  void begin_message();
  std::optional<ipc::FilterJudgement>& judgement() { return judgement_; }
  const std::optional<ipc::FilterJudgement>& judgement() const { return judgement_; }

 private:
  enum class Part : std::uint8_t { none, hears, over };

  config::FilterRights rights() const;
  ipc::FilterJudgement& judge(ipc::FilterVerdict verdict, std::string_view text);

  Judge& judge_;
  Clock& clock_;
  const SessionFacts& facts_;
  Part part_ = Part::none;
  ipc::FilterStage stage_ = ipc::FilterStage::connect;
  Breaker::Leave leave_ = Breaker::Leave::no;  // until it is settled
  std::optional<ipc::FilterJudgement> judgement_;
};

}  // namespace postwain::filter
