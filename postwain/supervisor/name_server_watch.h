// Notices that the name servers of the machine have changed, as they do when a network comes up
// after the boot, or with a VPN. The processes that ask the DNS read resolv.conf when they start,
// and are shut off from files afterwards.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/dns/name_servers.h"

namespace postwain::tool {

class NameServerWatch {
 public:
  explicit NameServerWatch(std::string path = dns::kResolvConf) : path_(std::move(path)) {
    (void)changed();
  }
  // Whether other servers stand there than at the last look; a file that is missing or cannot be
  // read names none.
  bool changed();
  const std::vector<std::string>& servers() const { return servers_; }

 private:
  std::string path_;
  std::vector<std::string> servers_;
};

}  // namespace postwain::tool
