// Rspamd in one SMTP session. It hears of a message from its header section on, with what is known
// of session and envelope by then, and has one word: at the end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/rspamd/scan_answer.h"
#include "filter/chain_member.h"
#include "filter/member_record.h"
#include "filter/rspamd/rspamd_service.h"
#include "filter/rspamd/scan_connection.h"

namespace postwain::filter {

class RspamdMember final : public ChainMember {
 public:
  // All outlive it.
  RspamdMember(Shared& shared, RspamdService& service, const SessionFacts& facts,
               MemberOwner& owner);

  const std::string& name() const override { return record_.name(); }
  void give(const ipc::FilterEvent& event) override;
  bool hears() const override { return record_.hears(); }
  void give_header(const mail::HeaderEdits& header) override;
  void give_body(std::string_view octets) override;
  void give_end_of_message() override;
  std::optional<Opinion> poll() override;
  std::size_t backlog() const override { return connection_ ? connection_->backlog() : 0; }
  std::vector<milter::Edit> take_edits() override { return std::exchange(edits_, {}); }
  Opinion fail(ipc::FilterFailure failure, const std::string& why) override;
  void abort() override;
  void begin_message() override;
  const std::optional<ipc::FilterJudgement>& judgement() const override {
    return record_.judgement();
  }
  // What Rspamd itself said of the message, whatever `may` makes of it; nothing: it has not.
  const std::optional<rspamd::ScanAction>& answered() const { return answered_; }

 private:
  std::string question() const;
  Opinion heard(const rspamd::HttpReader& reader);
  Opinion heard(const rspamd::ScanAnswer& answer);
  void note_edits(const rspamd::ScanAnswer& answer);
  void note(config::FilterRight right, milter::Edit edit);
  void remove_fields(const rspamd::ScanAnswer::Removed& removed);
  void complete(const rspamd::ScanAnswer& answer);

  Shared& shared_;
  RspamdService& service_;
  const SessionFacts& facts_;
  MemberOwner& owner_;
  MemberRecord record_;
  std::unique_ptr<ScanConnection> connection_;   // of the message under way
  std::map<std::string, std::uint32_t> fields_;  // of its header section: how many of each name
  std::vector<milter::Edit> edits_;
  std::uint32_t edits_asked_ = 0;
  std::uint32_t edits_not_allowed_ = 0;
  std::optional<Opinion> opinion_;  // for the next poll
  std::optional<rspamd::ScanAction> answered_;
};

}  // namespace postwain::filter
