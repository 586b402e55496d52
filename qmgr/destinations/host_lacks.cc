#include "qmgr/destinations/host_lacks.h"

#include <utility>

namespace postwain::qmgr {

void LackingHosts::note(const std::string& destination, const mail::HostLacks& told, WallTime now) {
  if (told.lacks.empty() || told.host.empty() || told.host.size() > kLackingHostNameMax) return;
  Key key{destination, told.host};
  if (known_.size() >= kLackingHostsMax && known_.count(key) == 0) {
    std::erase_if(known_, [&](const auto& one) { return now - one.second.told_at > kLackShown; });
    if (known_.size() >= kLackingHostsMax) return;
  }
  known_[key] = {told.lacks, now};
}

std::vector<mail::HostLacks> LackingHosts::of(const std::string& destination, WallTime now) const {
  std::vector<mail::HostLacks> out;
  for (auto one = known_.lower_bound({destination, std::string()});
       one != known_.end() && one->first.first == destination; ++one)
    if (now - one->second.told_at <= kLackShown)
      out.push_back({one->first.second, one->second.lacks});
  return out;
}

}  // namespace postwain::qmgr
