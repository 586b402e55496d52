// Domains and address literals (RFC 5321 4.1.2, 4.1.3; U-labels of RFC 6531 3.3). Syntax only: no
// DNS, no opinion whether the name exists.
//
// One licence: an underscore counts as a letter, because hosts with one send and receive mail.
#pragma once

#include <string>
#include <string_view>

namespace postwain::smtp {

// sub-domain *("." sub-domain), at most 255 octets, labels of at most 63. May hold UTF-8.
bool is_domain(std::string_view text);
// "[192.0.2.1]" and "[IPv6:2001:db8::1]". Other tags of General-address-literal are registered
// nowhere.
bool is_address_literal(std::string_view text);
// What EHLO, LHLO and HELO may say: an ASCII Domain or an address literal.
bool is_hello_name(std::string_view text);
// What a client really said there, in a form that can be kept, logged and compared: at most
// kHelloMax octets of UTF-8 without control characters; kNoHello for nothing at all.
constexpr std::string_view kNoHello = "[unknown]";
std::string harmless_hello(std::string_view said);
// The same as it may stand behind "from" in a Received field: ASCII, one word, nothing that a
// reader of the field could take for a comment, a quoted string or the next clause.
std::string hello_for_trace(std::string_view said);

}  // namespace postwain::smtp
