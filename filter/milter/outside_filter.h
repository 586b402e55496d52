// One milter as this process knows it: what the operator says of it, and what it wants to hear.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/base/time.h"
#include "common/config/table/filter.h"
#include "common/milter/negotiation.h"
#include "filter/judge.h"
#include "filter/milter/milter_pool.h"

namespace postwain::filter {

constexpr Duration kInStep = std::chrono::minutes(10);

class OutsideFilter final : public Judge {
 public:
  explicit OutsideFilter(config::Filter settings);

  const config::Filter& settings() const { return settings_; }
  // Connections to it that no session has.
  MilterPool& pool() { return pool_; }

  // Whether content goes to it without waiting for its answers (MilterEngine::go_ahead). Not to one
  // that has ended a message early, since each time that costs a connection.
  bool goes_ahead(MonoTime now) const { return settings_.pipelining && now >= in_step_until_; }
  void keep_in_step(MonoTime now) { in_step_until_ = now + kInStep; }

  // What it has agreed to on a new connection; whether that is another thing than before.
  bool learn(const milter::Agreement& agreement);
  // Until it is known, everywhere.
  std::uint32_t awaited_stages() const override { return awaited_; }
  bool wants_body() const override { return wants_body_; }
  std::unique_ptr<ChainMember> make_member(Shared& shared, const SessionFacts& facts,
                                           MemberOwner& owner) override;

 private:
  config::Filter settings_;
  std::uint32_t awaited_;
  bool wants_body_ = true;
  MonoTime in_step_until_{};
  MilterPool pool_{*this};
};

}  // namespace postwain::filter
