// One client that nobody here may know, in one SMTP session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "filter/chain_member.h"
#include "filter/strangers/strangers_judge.h"

namespace postwain::filter {

constexpr std::size_t kWrittenToMax = 100;                // recipients of a message that are noted
constexpr Duration kReasonMax = std::chrono::seconds(2);  // that a list has to say why

class StrangersMember final : public ChainMember {
 public:
  // All outlive it.
  StrangersMember(StrangersJudge& judge, const SessionFacts& facts, MemberOwner& owner);
  ~StrangersMember() override;

  const std::string& name() const override { return judge_.name(); }
  void give(const ipc::FilterEvent& event) override;
  // It has no say in content.
  bool hears() const override { return false; }
  void give_end_of_message() override {}
  std::optional<Opinion> poll() override;
  Opinion fail(ipc::FilterFailure, const std::string&) override { return {}; }
  void message_accepted() override;
  void abort() override;
  void begin_message() override;
  const std::optional<ipc::FilterJudgement>& judgement() const override {
    return message_.judgement;
  }

 private:
  bool is_stranger() const;
  void look();
  void note_whom_we_write_to(const ipc::FilterEvent& event);
  bool wants_delay() const;
  void delay_greeting();
  void begin_rcpt(const ipc::FilterEvent& event);
  std::optional<Opinion> judge_rcpt();
  Opinion judge_data();
  bool awaits_reason(const StrangerScore& score);
  Opinion put_off(const StrangerFacts& facts, const StrangerScore& score);
  Opinion say(ipc::FilterVerdict verdict, mail::Reply reply, const std::string& text,
              const StrangerScore& score);

  StrangersJudge& judge_;
  const SessionFacts& facts_;
  MemberOwner& owner_;
  std::unique_ptr<ClientLook> look_;  // null: nothing is asked
  std::unique_ptr<Alarm> delay_;      // of its greeting; null: it was greeted at once
  bool known_ = false;                // the client may relay
  bool talked_early_ = false;
  bool asking_ = false;                   // for a reason
  std::optional<Opinion> opinion_;        // for the next poll
  std::optional<std::string> recipient_;  // that is being judged
  ipc::FilterStage stage_ = ipc::FilterStage::connect;
  MonoTime begun_{};
  // Why the weightiest list lists it, asked once.
  struct Reason {
    bool asked = false;
    bool known = false;
    std::string text;
    std::unique_ptr<Alarm> limit;
    std::shared_ptr<bool> alive;  // the answer may come after us
  } reason_;
  struct {
    std::string sender;  // in lower case
    std::string sender_domain;
    std::vector<std::string> written_to;  // by one of us
    bool passed = false;                  // a recipient did
    std::string put_off_at_data;  // the recipient that decides there; empty: nothing to decide
    std::uint32_t waited = 0;     // milliseconds
    std::optional<ipc::FilterJudgement> judgement;
  } message_;
};

}  // namespace postwain::filter
