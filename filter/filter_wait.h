// How long an outside filter is waited for, by the limits of config::FilterTimeouts: connecting,
// which begins with the lookup of the host; one wait, which begins anew with each thing the filter
// says or takes; and all waits of one message together, which nothing extends. The time in which
// nobody waits for the filter, because the client sends slowly, say, counts for none.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/config/table/filter.h"

namespace postwain::filter {

class FilterWait {
 public:
  // late: a limit is over, and which; called from the loop. clock and limits outlive it.
  FilterWait(Clock& clock, const config::FilterTimeouts& limits,
             std::function<void(std::string why)> late);
  FilterWait(const FilterWait&) = delete;
  FilterWait& operator=(const FilterWait&) = delete;

  // As it is now. anew: the filter has done something, and a new wait begins.
  void look(bool waits, bool connected, bool anew);
  // The limit of a message begins.
  void begin_message();
  // In milliseconds, since then.
  Duration waited() const;

 private:
  void over();

  Clock& clock_;
  const config::FilterTimeouts& limits_;
  std::function<void(std::string)> late_;
  std::unique_ptr<Alarm> alarm_;
  bool connected_ = false;
  std::optional<MonoTime> since_;
  Duration before_{};
};

}  // namespace postwain::filter
