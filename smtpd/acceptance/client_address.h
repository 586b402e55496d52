// A client's IP address in the one form that policy, limits, trace fields and logs compare: IPv4
// mapped into IPv6 is IPv4 (else "::ffff:10.0.0.1" would miss "10.0.0.0/8"), and no zone.
#pragma once

#include <string>
#include <string_view>

namespace postwain::smtpd {

// "::ffff:192.0.2.1" -> "192.0.2.1", "fe80::1%eth0" -> "fe80::1"; empty (Unix socket) stays empty.
std::string plain_address(std::string_view address);
// As an address literal of RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]".
std::string address_literal(std::string_view plain);
// Who counts as one client: an IPv4 address, or an IPv6 network of 64 bits, since that is what one
// customer gets.
std::string client_key(std::string_view plain);
// The IPv6 network of 48 bits that the address, or its client_key, lies in: what one site gets, who
// so has 65536 of those. Empty for IPv4.
std::string client_site(std::string_view plain);

}  // namespace postwain::smtpd
