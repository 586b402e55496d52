// A policy service of Postfix's protocol, such as postgrey, as this process knows it: what the
// operator says of it, and the connections to it that are open and not in use.
#pragma once

#include <memory>
#include <vector>

#include "common/config/table/filter.h"
#include "filter/judge.h"
#include "filter/policy/policy_connection.h"

namespace postwain::filter {

constexpr std::size_t kPolicyConnectionsKept = 16;

class PolicyService final : public Judge {
 public:
  explicit PolicyService(config::Filter settings);

  const config::Filter& settings() const { return settings_; }
  bool asks_at(ipc::FilterStage stage) const { return (stages_ & bit_of(stage)) != 0; }
  std::uint32_t awaited_stages() const override;
  bool wants_body() const override { return false; }
  std::unique_ptr<ChainMember> make_member(Shared& shared, const SessionFacts& facts,
                                           MemberOwner& owner) override;

  // A connection that is kept, or a new one.
  std::unique_ptr<PolicyConnection> connection(Shared& shared);
  // For the next one who asks.
  void keep(std::unique_ptr<PolicyConnection> connection);

 private:
  void forget_failed();

  config::Filter settings_;
  std::uint32_t stages_ = 0;                             // bits
  std::vector<std::unique_ptr<PolicyConnection>> kept_;  // the one used last is the last one
};

}  // namespace postwain::filter
