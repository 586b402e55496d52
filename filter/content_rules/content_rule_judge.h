// The operator's content rules as one who judges: asked after all filters, so that they see a
// message as the filters have left it. Nobody outside is asked, so there is nothing to wait for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "filter/chain_member.h"
#include "filter/deciding/content_matcher.h"
#include "filter/member_record.h"

namespace postwain::filter {

// In their order. The error names the rule whose pattern is none.
Result<std::vector<CompiledRule>> compile_rules(const std::vector<config::ContentRule>& rules);

class ContentRuleJudge final : public Judge {
 public:
  explicit ContentRuleJudge(std::vector<CompiledRule> rules);

  bool is_on(std::string_view listener, ipc::FilterKind kind) const override;
  std::uint32_t awaited_stages() const override { return bit_of(ipc::FilterStage::end_of_message); }
  bool wants_body() const override;
  std::unique_ptr<ChainMember> make_member(Shared& shared, const SessionFacts& facts,
                                           MemberOwner& owner) override;

 private:
  std::vector<CompiledRule> rules_;
};

class ContentRuleMember final : public ChainMember {
 public:
  // All outlive it.
  ContentRuleMember(ContentRuleJudge& judge, std::vector<const CompiledRule*> rules, Clock& clock,
                    const SessionFacts& facts)
      : rules_(std::move(rules)), facts_(facts), record_(judge, clock, facts) {}

  const std::string& name() const override { return record_.name(); }
  void give(const ipc::FilterEvent& event) override;
  bool hears() const override { return record_.hears(); }
  void give_header(const mail::HeaderEdits& header) override;
  void give_body(std::string_view octets) override;
  void give_end_of_message() override;
  std::optional<Opinion> poll() override;
  std::vector<milter::Edit> take_edits() override { return std::exchange(edits_, {}); }
  bool redirects() const override { return redirects_; }
  Opinion fail(ipc::FilterFailure failure, const std::string& why) override;
  void abort() override;
  void begin_message() override;
  const std::optional<ipc::FilterJudgement>& judgement() const override {
    return record_.judgement();
  }

 private:
  void log_matches();
  Opinion conclude(const ContentDecision& decision);

  std::vector<const CompiledRule*> rules_;
  const SessionFacts& facts_;
  MemberRecord record_;
  // Of the message under way.
  std::vector<std::string> recipients_;
  std::optional<ContentMatcher> matcher_;
  std::size_t logged_ = 0;  // of its matches
  bool ended_ = false;      // nothing more of it has to be looked at
  bool redirects_ = false;
  std::vector<milter::Edit> edits_;
};

}  // namespace postwain::filter
