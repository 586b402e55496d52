// Addresses that mail of the internet has no business with: loopback, private, link-local,
// multicast, reserved (IANA special-purpose registries, RFC 6890, as of 2025). An MX pointing there
// would make us knock at our own or our neighbours' doors. Pure.
//
// IPv6 that wraps an IPv4 address (mapped, 64:ff9b::/96, 6to4) is what it wraps; Teredo and the
// translation prefixes a site chooses for itself (64:ff9b:1::/48) are special as a whole. Outside
// of 2000::/3 nothing is part of the internet. Not special are the blocks for documentation
// (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32, 3fff::/20): nobody lives there.
#pragma once

#include <string>

namespace postwain::dns {

// True also for what is not an IP address at all.
bool is_special_address(const std::string& address);

}  // namespace postwain::dns
