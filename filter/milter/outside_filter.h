// One milter as this process knows it: what the operator says of it, and what it wants to hear.
#pragma once

#include <cstdint>

#include "common/config/table/filter.h"
#include "common/milter/negotiation.h"
#include "filter/judge.h"
#include "filter/milter/milter_pool.h"

namespace postwain::filter {

class OutsideFilter final : public Judge {
 public:
  explicit OutsideFilter(config::Filter settings);

  const config::Filter& settings() const { return settings_; }
  // Connections to it that no session has.
  MilterPool& pool() { return pool_; }

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
  MilterPool pool_{*this};
};

}  // namespace postwain::filter
