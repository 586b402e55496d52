// xtext (RFC 3461 4) for ENVID and ORCPT, and the utf-8 address forms of ORCPT (RFC 6533 3).
// Decoding refuses control characters, also encoded ones: a decoded value goes into header fields,
// logs and protocol lines (Exim CVE-2020-28026 was an ORCPT with an encoded line end).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postwain::smtp {

std::string xtext_encode(std::string_view text);
// Nothing when it is no xtext, or holds anything but printable ASCII after decoding.
std::optional<std::string> xtext_decode(std::string_view xtext);

// Whatever stands there, for values that are for the record only and no ground to refuse anything:
// what is no code stays as it is, and the octets may be any. The caller makes them harmless.
std::string xtext_octets(std::string_view xtext);

// utf-8-addr-xtext and utf-8-addr-unitext to UTF-8: "\x{E9}" becomes a character.
std::optional<std::string> utf8_address_decode(std::string_view text);
// UTF-8 to utf-8-addr-xtext, pure ASCII, for a peer without SMTPUTF8.
std::string utf8_address_encode(std::string_view utf8);

// ORCPT's value, "addr-type;address": decoded as mail::Recipient keeps it. Nothing when it is bad.
std::optional<std::string> orcpt_decode(std::string_view value);
// The reverse, ready for a RCPT line; ascii_only: the peer has no SMTPUTF8. Empty: it cannot be
// written, its type is no word or its address no UTF-8.
std::string orcpt_encode(std::string_view orcpt, bool ascii_only);

}  // namespace postwain::smtp
