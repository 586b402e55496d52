// SPF, DKIM and DMARC of the messages of one SMTP session. SPF begins at MAIL, the keys of DKIM are
// asked for when the header section is there, and the body is hashed while it comes; DMARC follows
// when both are known. A message waits for the DNS no longer than [authentication] says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/authentication/arc/arc_verify.h"
#include "common/authentication/dkim/verify.h"
#include "common/authentication/dmarc/dmarc_evaluation.h"
#include "common/authentication/spf/spf_check.h"
#include "filter/authentication/authentication_judge.h"
#include "filter/authentication/evaluation_run.h"
#include "filter/chain_member.h"
#include "filter/deciding/authentication_findings.h"
#include "filter/member_record.h"

namespace postwain::filter {

// An evaluation with what runs it, in the order in which they come and go.
template <typename Evaluation>
struct RunningEvaluation {
  template <typename... Facts>
  explicit RunningEvaluation(DnsPort& port, std::function<void()> changed, Facts&&... facts)
      : evaluation(std::forward<Facts>(facts)...), run(port, evaluation, std::move(changed)) {
    run.go();
  }
  Evaluation evaluation;
  EvaluationRun run;
};
// What SPF says of a hello, for the next messages of the session: whoever sends many of them is not
// worth so many look-ups.
constexpr Duration kHeloFindingKept = std::chrono::minutes(5);
struct HeloFinding {
  std::string helo;
  authentication::SpfFinding spf;
  MonoTime until{};
};
// What is known of the message under way.
struct MessageEvaluations {
  AuthenticationFindings findings{};
  std::unique_ptr<RunningEvaluation<authentication::SpfCheck>> spf{};
  std::unique_ptr<RunningEvaluation<authentication::SpfCheck>> spf_helo{};
  std::unique_ptr<RunningEvaluation<authentication::dkim::DkimVerify>> dkim{};
  std::unique_ptr<RunningEvaluation<authentication::arc::ArcVerify>> arc{};
  std::unique_ptr<RunningEvaluation<authentication::DmarcEvaluation>> dmarc{};
  std::vector<std::size_t> forged{};  // fields that claim to be ours, from the last to the first
  bool utf8 = false;                  // its header section may carry UTF-8
  bool begun = false;                 // its content has
  bool ended = false;
  bool late = false;  // its time is over
  MonoTime ended_at{};
};

class AuthenticationMember final : public ChainMember {
 public:
  // All outlive it.
  AuthenticationMember(AuthenticationJudge& judge, const SessionFacts& facts, MemberOwner& owner);

  const std::string& name() const override { return record_.name(); }
  void give(const ipc::FilterEvent& event) override;
  bool hears() const override { return record_.hears(); }
  void give_header(const mail::HeaderEdits& header) override;
  void give_body(std::string_view octets) override;
  void give_end_of_message() override;
  std::optional<Opinion> poll() override;
  std::vector<milter::Edit> take_edits() override { return std::exchange(edits_, {}); }
  std::vector<ipc::FilterMacro> take_macros() override { return std::exchange(macros_, {}); }
  Opinion fail(ipc::FilterFailure failure, const std::string& why) override;
  void abort() override;
  void begin_message() override;
  const std::optional<ipc::FilterJudgement>& judgement() const override {
    return record_.judgement();
  }

 private:
  bool has_address() const;
  authentication::SpfFacts spf_facts() const;
  void begin_spf();
  void begin_spf_of_helo();
  void keep_helo_finding();
  Duration dmarc_time() const;
  void await(Duration time);
  void time_over();
  bool advance();
  bool advance_dmarc();
  Opinion conclude();
  void note_for_reports(const AuthenticationVerdict& given) const;
  void mark();
  std::function<void()> on_change();

  AuthenticationJudge& judge_;
  const SessionFacts& facts_;
  MemberOwner& owner_;
  MemberRecord record_;
  std::unique_ptr<Alarm> limit_;
  std::optional<HeloFinding> helo_;
  std::optional<MessageEvaluations> message_;
  std::vector<milter::Edit> edits_;
  std::vector<ipc::FilterMacro> macros_;
};

}  // namespace postwain::filter
