// A policy service in one SMTP session. It is asked at the stages that the operator names, and its
// word on one recipient can mean the whole message. What it wants changed it may say early (at a
// command, or at the connect for all messages of the session); it is done with the message's
// header.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "filter/chain_member.h"
#include "filter/member_record.h"
#include "filter/policy/policy_service.h"

namespace postwain::filter {

constexpr std::size_t kPrependsMax = 32;  // fields of one service in a message

class PolicyMember final : public ChainMember {
 public:
  PolicyMember(Shared& shared, PolicyService& service, const SessionFacts& facts,
               MemberOwner& owner);

  const std::string& name() const override { return record_.name(); }
  void give(const ipc::FilterEvent& event) override;
  bool hears() const override { return record_.hears(); }
  bool wants_content() const override { return false; }
  void give_end_of_message() override;
  std::optional<Opinion> poll() override;
  std::vector<milter::Edit> take_edits() override;
  Opinion fail(ipc::FilterFailure failure, const std::string& why) override;
  void abort() override;
  void begin_message() override;
  const std::optional<ipc::FilterJudgement>& judgement() const override {
    return record_.judgement();
  }

 private:
  // What is to be done to a message.
  struct Wishes {
    std::vector<milter::Edit> prepends;  // in the order in which they are to stand
    std::vector<milter::Edit> others;
    std::optional<std::string> redirect;
    void add(const Wishes& more);
  };

  void want_question(ipc::FilterStage stage);
  void ask_next();
  void ask(ipc::FilterStage stage);
  std::optional<Opinion> question_failed();
  Opinion heard(ipc::FilterStage stage, policy_service::Answer answer);
  Opinion refused(ipc::FilterStage stage, ipc::FilterVerdict verdict,
                  policy_service::Answer answer);
  void note_wish(ipc::FilterStage stage, policy_service::Answer answer);
  void note_mistake(const std::string& what);
  void complete();
  Wishes& wishes_of(ipc::FilterStage stage);

  Shared& shared_;
  PolicyService& service_;
  const SessionFacts& facts_;
  MemberOwner& owner_;
  MemberRecord record_;
  std::unique_ptr<PolicyConnection> connection_;  // while it is asked
  std::optional<ipc::FilterStage> asked_;
  MonoTime asked_at_{};
  std::deque<ipc::FilterStage> to_ask_;
  std::uint32_t owed_ = 0;          // bits of connect and helo, where its answer is missing
  std::optional<Opinion> opinion_;  // for the next poll
  // From the connect and the HELO on, for each message.
  struct {
    Wishes connect;
    Wishes helo;
    std::uint32_t messages = 0;
  } session_;
  struct {
    Wishes wishes;
    std::string recipient;  // of the RCPT that is asked about
    bool ends = false;      // what it is asked now is the last thing
    Duration waited{};
    std::string remark;  // for the history
    bool holds = false;
    std::uint32_t edits = 0;
    std::uint32_t edits_not_allowed = 0;
  } message_;
};

}  // namespace postwain::filter
