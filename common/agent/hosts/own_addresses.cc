#include "common/agent/hosts/own_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <cstring>

namespace postwain::agent {

namespace {

// The one spelling that is compared; empty: no address.
std::string one_spelling(const std::string& address) {
  unsigned char bytes[16] = {};
  char text[INET6_ADDRSTRLEN];
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (::inet_pton(AF_INET6, address.c_str(), bytes) == 1) {
    if (std::memcmp(bytes, kMapped, sizeof kMapped) != 0) {
      if (IN6_IS_ADDR_UNSPECIFIED(reinterpret_cast<const in6_addr*>(bytes))) bytes[15] = 1;
      return ::inet_ntop(AF_INET6, bytes, text, sizeof text) == nullptr ? "" : text;
    }
    std::memmove(bytes, bytes + 12, 4);
  } else if (::inet_pton(AF_INET, address.c_str(), bytes) != 1) {
    return {};
  }
  if (bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0) return "127.0.0.1";
  return ::inet_ntop(AF_INET, bytes, text, sizeof text) == nullptr ? "" : text;
}

}  // namespace

OwnAddresses::OwnAddresses(const std::vector<config::Listener>& listeners,
                           std::uint16_t smtp_port) {
  for (const config::Listener& listener : listeners) {
    if (listener.port != smtp_port || listener.protocol != config::ListenerProtocol::smtp) continue;
    any_v4_ = any_v4_ || listener.host == "0.0.0.0" || listener.host == "::";
    any_v6_ = any_v6_ || listener.host == "::";
    listened_.insert(one_spelling(listener.host));
  }
}

bool OwnAddresses::has(const std::string& spelled) {
  const std::string address = one_spelling(spelled);
  if (address.empty()) return false;
  if (listened_.contains(address)) return true;
  bool v6 = address.find(':') != std::string::npos;
  if (!(v6 ? any_v6_ : any_v4_)) return false;
  if (address.compare(0, 4, "127.") == 0) return true;  // the whole block is the loopback's
  if (interfaces_.empty() || mono_now() - read_at_ >= kInterfacesFresh) look_at_interfaces();
  return interfaces_.contains(address);
}

void OwnAddresses::look_at_interfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return;
  interfaces_.clear();
  read_at_ = mono_now();
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    int family = one->ifa_addr->sa_family;
    const void* bytes = nullptr;
    if (family == AF_INET)
      bytes = &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
    else if (family == AF_INET6)
      bytes = &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    char text[INET6_ADDRSTRLEN];
    if (bytes != nullptr && ::inet_ntop(family, bytes, text, sizeof text) != nullptr)
      interfaces_.insert(text);
  }
  ::freeifaddrs(list);
}

}  // namespace postwain::agent
