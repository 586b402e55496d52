// At which addresses an MX would be ourselves: those our own listeners are reached at, on the port
// mail is delivered to. (RFC 5321 5.1: such a host must not be used.)
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/listener.h"

namespace postwain::agent {

constexpr Duration kInterfacesFresh = std::chrono::seconds(60);

class OwnAddresses {
 public:
  OwnAddresses(const std::vector<config::Listener>& listeners, std::uint16_t smtp_port);
  // address: as text, in any spelling; an IPv4 address mapped into IPv6 is that IPv4 address, and
  // the unspecified one leads to the loopback address of its family.
  bool has(const std::string& address);

 private:
  void look_at_interfaces();

  std::unordered_set<std::string> listened_;  // addresses of listeners
  bool any_v4_ = false;                       // a listener takes all addresses of the machine
  bool any_v6_ = false;
  std::unordered_set<std::string> interfaces_;  // of the machine, read anew now and then
  MonoTime read_at_{};
};

}  // namespace postwain::agent
