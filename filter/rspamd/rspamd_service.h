// Rspamd, asked by HTTP at a worker of its own (port 11333 by default), as this process knows it.
#pragma once

#include <memory>

#include "common/config/table/filter.h"
#include "filter/judge.h"

namespace postwain::filter {

class RspamdService final : public Judge {
 public:
  explicit RspamdService(config::Filter settings);

  const config::Filter& settings() const { return settings_; }
  std::uint32_t awaited_stages() const override;
  bool wants_body() const override { return true; }
  std::unique_ptr<ChainMember> make_member(Shared& shared, const SessionFacts& facts,
                                           MemberOwner& owner) override;

 private:
  config::Filter settings_;
};

}  // namespace postwain::filter
