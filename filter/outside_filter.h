// One outside filter as this process knows it: what the operator says of it, whether it is asked,
// and what it wants to hear. All sessions share it.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"
#include "common/config/table/filter.h"
#include "common/ipc/filter_messages.h"
#include "common/milter/negotiation.h"
#include "filter/deciding/breaker.h"

namespace postwain::filter {

class OutsideFilter {
 public:
  explicit OutsideFilter(config::Filter settings);

  const config::Filter& settings() const { return settings_; }
  bool watched() const { return settings_.mode == config::FilterMode::watch; }

  // The breaker, with its changes in the log.
  Breaker& breaker() { return breaker_; }
  void succeeded();
  void failed(MonoTime now, Breaker::Leave leave);

  // What it has agreed to on a new connection; whether that is another thing than before.
  bool learn(const milter::Agreement& agreement);
  // Bits of ipc::FilterStage: where a session has to wait for it. Until it is known, everywhere.
  std::uint32_t awaited_stages() const { return awaited_; }
  bool wants_body() const { return wants_body_; }

 private:
  void log_breaker() const;

  config::Filter settings_;
  Breaker breaker_;
  std::uint32_t awaited_;
  bool wants_body_ = true;
};

}  // namespace postwain::filter
