// What delivery clients have found hosts of destinations unable to do, as the operator is shown it.
// Kept in memory only: clients find out again. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/mail/ability.h"

namespace postwain::qmgr {

// As long as a client believes it itself (agent::kLackKept).
constexpr Duration kLackShown = std::chrono::hours(24);
constexpr std::size_t kLackingHostsMax = 10000;  // of all destinations; further ones are not kept
constexpr std::size_t kLackingHostNameMax = 300;

class LackingHosts {
 public:
  // A client has just spoken to this host and believes that of it.
  void note(const std::string& destination, const mail::HostLacks& told, WallTime now);
  // Those of one destination, by name of the host.
  std::vector<mail::HostLacks> of(const std::string& destination, WallTime now) const;

 private:
  struct Known {
    mail::AbilitySet lacks;
    WallTime told_at{};
  };
  using Key = std::pair<std::string, std::string>;  // destination and host
  std::map<Key, Known> known_;
};

}  // namespace postwain::qmgr
