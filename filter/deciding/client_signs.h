// What can be seen of a client without asking a list: names of addresses that look like those of
// home lines, and hellos that no mail server says. Pure; these are guesses, and worth points only.
#pragma once

#include <string>
#include <string_view>

namespace postwain::filter {

// The name holds its address (all of it, or its last octets), or a word that providers use for
// addresses they hand out. Both in lower case.
bool looks_dynamic(std::string_view name, std::string_view address);

// An address without brackets, a name without a dot, our own name, or the address of somebody else.
bool is_odd_hello(std::string_view hello, std::string_view our_name, std::string_view address);

// The part of a host name that names its owner: "example.org" of "mx1.out.example.org",
// "example.co.uk" of "mx1.example.co.uk". A guess by the shape, since we have no list of suffixes.
std::string owner_domain(std::string_view name);

// The network that a client is one of: its /24 or /64, as text without further use.
std::string network_of(const std::string& address);
// IPv6 clients have a /64 each.
std::string client_of(const std::string& address);

}  // namespace postwain::filter
