// Addresses that mail of the internet has no business with: loopback, private, link-local,
// multicast, reserved (IANA special-purpose registries, RFC 6890). An MX pointing there would make
// us knock at our own or our neighbours' doors. Pure.
#pragma once

#include <string>

namespace postwain::dns {

// True also for what is not an IP address at all.
bool is_special_address(const std::string& address);

}  // namespace postwain::dns
