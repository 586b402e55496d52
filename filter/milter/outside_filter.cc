#include "filter/milter/outside_filter.h"

#include <utility>

#include "filter/milter/milter_member.h"

namespace postwain::filter {

namespace {

using ipc::FilterStage;

constexpr std::uint32_t kResult = bit_of(FilterStage::end_of_message);

constexpr std::pair<milter::Stage, FilterStage> kCommands[] = {
    {milter::Stage::connect, FilterStage::connect}, {milter::Stage::helo, FilterStage::helo},
    {milter::Stage::mail, FilterStage::mail},       {milter::Stage::rcpt, FilterStage::rcpt},
    {milter::Stage::data, FilterStage::data},       {milter::Stage::unknown, FilterStage::unknown},
};

JudgeTerms terms_of(const config::Filter& settings) {
  return {settings.name, settings.on, settings.on_failure, settings.mode, settings.may};
}

}  // namespace

OutsideFilter::OutsideFilter(config::Filter settings)
    : Judge(terms_of(settings)),
      settings_(std::move(settings)),
      awaited_(watched() ? kResult : ipc::kAllFilterStages) {}

// Nobody waits for what a watched filter says.
bool OutsideFilter::learn(const milter::Agreement& agreement) {
  std::uint32_t awaited = kResult;
  if (!watched())
    for (const auto& [stage, command] : kCommands)
      if (agreement.answers(stage)) awaited |= bit_of(command);
  bool body = agreement.wants(milter::Stage::body);
  bool changed = awaited != awaited_ || body != wants_body_;
  awaited_ = awaited;
  wants_body_ = body;
  return changed;
}

std::unique_ptr<ChainMember> OutsideFilter::make_member(Shared& shared, const SessionFacts& facts,
                                                        MemberOwner& owner) {
  return std::make_unique<MilterMember>(shared, *this, facts, owner);
}

}  // namespace postwain::filter
