// A milter in one SMTP session. It has a connection from the first thing it is told of on. One that
// has failed takes part again with the next message, on a new connection, which is told of the
// session first.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "filter/body_store.h"
#include "filter/chain_member.h"
#include "filter/deciding/body_lines.h"
#include "filter/member_record.h"
#include "filter/milter/milter_connection.h"
#include "filter/shared.h"

namespace postwain::filter {

constexpr std::uint64_t kNewBodyMax = 256U << 20;  // octets of a body that a filter gives

class MilterMember final : public ChainMember {
 public:
  MilterMember(Shared& shared, OutsideFilter& filter, const SessionFacts& facts,
               MemberOwner& owner);
  ~MilterMember() override;

  const std::string& name() const override { return record_.name(); }
  void macros_changed(std::span<const ipc::FilterMacro> macros) override;

  void give(const ipc::FilterEvent& event) override;
  bool hears() const override { return record_.hears(); }
  void give_header(const mail::HeaderEdits& header) override;
  void give_body(std::string_view octets) override;
  void give_end_of_message() override;
  std::optional<Opinion> poll() override;
  std::size_t backlog() const override { return connection_ ? connection_->backlog() : 0; }

  std::vector<milter::Edit> take_edits() override { return std::exchange(message_.edits, {}); }
  bool leading_space() const override { return state_.leading_space; }
  std::unique_ptr<BodyStore> take_new_body() override { return std::move(message_.new_body); }
  Opinion fail(ipc::FilterFailure failure, const std::string& why) override;

  void abort() override;
  void begin_message() override;
  const std::optional<ipc::FilterJudgement>& judgement() const override {
    return record_.judgement();
  }

 private:
  void open();
  void open_anew();
  void tell(const ipc::FilterEvent& event);
  void greet();
  void expect(milter::Stage stage) { expected_.push_back(stage); }
  bool collect(Opinion& opinion);
  bool add_to_body(std::string_view octets, Opinion& opinion);
  Opinion heard(milter::MilterEngine::StageVerdict said);
  Opinion heard_no_objection(milter::MilterEngine::StageVerdict said);
  void complete(ipc::FilterJudgement& judgement);
  void forget_edits();
  std::optional<Opinion> connection_failed();
  void leave();

  Shared& shared_;
  OutsideFilter& filter_;
  const SessionFacts& facts_;
  MemberOwner& owner_;
  MemberRecord record_;
  std::unique_ptr<MilterConnection> connection_;
  // Of the connection.
  struct {
    bool greeted = false;
    bool ends_session = false;  // it wants to hear no more of this session
    bool retry = false;         // it was open already when this began
    bool leading_space = false;
  } state_;
  std::deque<milter::Stage> expected_;       // verdicts that are to come
  std::optional<ipc::FilterEvent> waiting_;  // until the connection is ready
  std::optional<Opinion> opinion_;           // for the next poll
  struct {
    ipc::FilterEvent mail;  // for a second try
    std::vector<milter::Edit> edits;
    std::unique_ptr<BodyStore> new_body;
    BodyLines lines;
  } message_;
};

}  // namespace postwain::filter
