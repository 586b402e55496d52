#include "filter/content_rules/content_rule_judge.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "filter/deciding/filter_rules.h"
#include "filter/deciding/message_edits.h"
#include "filter/shared.h"

namespace postwain::filter {

using ipc::FilterFailure;
using ipc::FilterStage;
using ipc::FilterVerdict;

namespace {

// What an operator writes for himself, he may.
JudgeTerms rule_terms() {
  JudgeTerms out;
  out.name = config::kContentRulesName;
  for (std::size_t i = 0; i < config::kFilterRights; ++i)
    out.may.add(static_cast<config::FilterRight>(i));
  return out;
}

}  // namespace

Result<std::vector<CompiledRule>> compile_rules(const std::vector<config::ContentRule>& rules) {
  std::vector<CompiledRule> out;
  for (const config::ContentRule& rule : rules) {
    Result<pattern::Pattern> compiled = pattern::Pattern::compile(rule.pattern);
    if (!compiled) return Error{rule.pattern_origin.text() + ": " + compiled.error().text};
    out.push_back({rule, compiled.take()});
  }
  return out;
}

ContentRuleJudge::ContentRuleJudge(std::vector<CompiledRule> rules)
    : Judge(rule_terms()), rules_(std::move(rules)) {}

bool ContentRuleJudge::is_on(std::string_view listener, ipc::FilterKind kind) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const CompiledRule& rule) {
    return names_place(rule.settings.on, listener, kind);
  });
}

bool ContentRuleJudge::wants_body() const {
  return std::any_of(rules_.begin(), rules_.end(), [](const CompiledRule& rule) {
    return rule.settings.place != config::ContentPlace::header;
  });
}

std::unique_ptr<ChainMember> ContentRuleJudge::make_member(Shared& shared,
                                                           const SessionFacts& facts,
                                                           MemberOwner& /*owner*/) {
  std::vector<const CompiledRule*> here;
  for (const CompiledRule& rule : rules_)
    if (names_place(rule.settings.on, facts.session.listener, facts.session.kind))
      here.push_back(&rule);
  return std::make_unique<ContentRuleMember>(*this, std::move(here), shared.clock, facts);
}

// --- one session ---------------------------------------------------------------------------------

// One recipient more than a filter may take out is kept, so that a redirect of too many fails.
void ContentRuleMember::give(const ipc::FilterEvent& event) {
  if (event.stage == FilterStage::mail) (void)record_.take_part();
  if (event.stage == FilterStage::rcpt && !event.rejected && record_.hears() &&
      recipients_.size() <= ipc::kFilterRecipientsMax)
    recipients_.push_back(event.text);
}

void ContentRuleMember::give_header(const mail::HeaderEdits& header) {
  record_.set_stage(FilterStage::end_of_header);
  matcher_.emplace(rules_);
  matcher_->header(header.shown());
  ended_ = !matcher_->wants_body();
}

void ContentRuleMember::give_body(std::string_view octets) {
  if (hears() && matcher_) matcher_->body(octets);
}

void ContentRuleMember::give_end_of_message() {
  if (!hears()) return;
  record_.set_stage(FilterStage::end_of_message);
  if (!matcher_) matcher_.emplace(rules_);
  matcher_->finish();
  ended_ = true;
}

// A verdict is spoken as soon as it is found; what is to be changed with the last word.
std::optional<Opinion> ContentRuleMember::poll() {
  if (!hears() || !matcher_) return Opinion{};
  if (!ended_ && matcher_->matches().size() == logged_) return std::nullopt;
  log_matches();
  ContentDecision decision = decide(matcher_->matches(), recipients_);
  if (!ended_ && decision.verdict == FilterVerdict::keep_going) return std::nullopt;
  return conclude(decision);
}

Opinion ContentRuleMember::conclude(const ContentDecision& decision) {
  Opinion out;
  std::string said = text_of(matcher_->matches());
  if (decision.verdict != FilterVerdict::keep_going) {
    out = record_.refused(decision.verdict, decision.reply, true);
    if (decision.reply.code != 0)
      said = decision.decided_by->settings.shown_name() + ": " + decision.reply.one_line();
  } else {
    edits_ = decision.edits;
    redirects_ = decision.redirects;
    ipc::FilterJudgement& judgement = record_.passed({});
    judgement.edits = static_cast<std::uint32_t>(edits_.size());
    judgement.edited = kinds_of(edits_);
    judgement.hold = std::any_of(edits_.begin(), edits_.end(), [](const milter::Edit& edit) {
      return edit.kind == milter::Edit::Kind::quarantine;
    });
  }
  record_.judgement()->text = said.substr(0, ipc::kFilterJudgementTextMax);
  return out;
}

void ContentRuleMember::log_matches() {
  const std::vector<RuleMatch>& matches = matcher_->matches();
  for (; logged_ < matches.size(); ++logged_) {
    const RuleMatch& match = matches[logged_];
    log::Line(log::Level::info, "content_rule")
        .kv("id", facts_.id())
        .kv("rule", match.rule->settings.shown_name())
        .kv("field", match.field)
        .kv("action", name_of(match.rule->settings.action))
        .kv("text", match.rule->settings.text)
        .kv("watch", match.rule->watched());
  }
}

Opinion ContentRuleMember::fail(FilterFailure failure, const std::string& why) {
  edits_.clear();
  redirects_ = false;
  return record_.fail(failure, why);
}

void ContentRuleMember::abort() {
  record_.abort();
  recipients_.clear();
  matcher_.reset();
  logged_ = 0;
  ended_ = false;
  redirects_ = false;
  edits_.clear();
}

void ContentRuleMember::begin_message() {
  abort();
  record_.begin_message();
}

}  // namespace postwain::filter
