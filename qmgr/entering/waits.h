// Why nothing is sent to a destination now.
#pragma once

#include <optional>
#include <string>

#include "qmgr/destinations/breakers.h"
#include "qmgr/entering/suspensions.h"
#include "qmgr/model/wait.h"

namespace postwain::qmgr {

class Waits {
 public:
  Waits(const QueueCore& core, const SplitDomains& split, const Suspensions& suspensions,
        const Breakers& breakers)
      : core_(core), split_(split), suspensions_(suspensions), breakers_(breakers) {}

  // Nothing: something may be sent there.
  std::optional<Wait> at(const std::string& destination, WallTime now) const;
  // Neither suspended nor behind a breaker that holds. One whose time is over lets a try pass, or
  // with nothing queued nobody would ever find out that the destination is back.
  bool is_reachable(const std::string& destination) const;

 private:
  const QueueCore& core_;
  const SplitDomains& split_;
  const Suspensions& suspensions_;
  const Breakers& breakers_;
};

}  // namespace postwain::qmgr
