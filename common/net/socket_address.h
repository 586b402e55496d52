// Endpoint to sockaddr and back. Numeric addresses only: names are common/dns' matter.
#pragma once

#include <sys/socket.h>

#include "common/net/stream.h"

namespace postwain::net {

// False when host is not an IP address.
bool fill_address(const Endpoint& endpoint, sockaddr_storage& address);
// An IPv4-mapped IPv6 address comes back as IPv4, so that "::ffff:10.0.0.1" and "10.0.0.1" are one
// client.
Endpoint endpoint_of(const sockaddr_storage& address);

}  // namespace postwain::net
