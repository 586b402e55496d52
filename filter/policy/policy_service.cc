#include "filter/policy/policy_service.h"

#include <utility>

#include "filter/policy/policy_member.h"

namespace postwain::filter {

namespace {

using ipc::FilterStage;

JudgeTerms policy_terms(const config::Filter& settings) {
  return {settings.name, settings.on, settings.on_failure, settings.mode, settings.may};
}

FilterStage filter_stage(config::PolicyStage stage) {
  constexpr FilterStage kStages[config::kPolicyStages] = {
      FilterStage::connect, FilterStage::helo, FilterStage::mail,
      FilterStage::rcpt,    FilterStage::data, FilterStage::end_of_message};
  return kStages[static_cast<std::size_t>(stage)];
}

}  // namespace

PolicyService::PolicyService(config::Filter settings)
    : Judge(policy_terms(settings)), settings_(std::move(settings)) {
  for (config::PolicyStage stage : settings_.stages) stages_ |= bit_of(filter_stage(stage));
}

std::uint32_t PolicyService::awaited_stages() const {
  std::uint32_t result = bit_of(FilterStage::end_of_message);
  if (watched()) return result;
  bool of_session = asks_at(FilterStage::connect) || asks_at(FilterStage::helo);
  // What it could not be asked of the session it is asked with the message.
  return result | stages_ | (of_session ? bit_of(FilterStage::mail) : 0);
}

std::unique_ptr<ChainMember> PolicyService::make_member(Shared& shared, const SessionFacts& facts,
                                                        MemberOwner& owner) {
  return std::make_unique<PolicyMember>(shared, *this, facts, owner);
}

std::unique_ptr<PolicyConnection> PolicyService::connection(Shared& shared) {
  forget_failed();
  if (kept_.empty()) return std::make_unique<PolicyConnection>(shared, settings_);
  std::unique_ptr<PolicyConnection> out = std::move(kept_.back());
  kept_.pop_back();
  return out;
}

void PolicyService::keep(std::unique_ptr<PolicyConnection> connection) {
  forget_failed();
  connection->rest();
  if (kept_.size() < kPolicyConnectionsKept) kept_.push_back(std::move(connection));
}

void PolicyService::forget_failed() {
  std::erase_if(kept_, [](const auto& one) { return one->failure() != ipc::FilterFailure::none; });
}

}  // namespace postwain::filter
