// Addresses of the envelope: Mailbox, Reverse-path and Forward-path of RFC 5321 4.1.2, with the
// UTF-8 of RFC 6531 3.3. UTF-8 is always allowed here; whoever asked for SMTPUTF8 or did not is
// the caller's matter (Address::is_utf8). No decision about relaying: see smtpd/policy.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/mail/address.h"

namespace postwain::smtp {

enum class PathKind : std::uint8_t {
  reverse,  // <> is allowed
  forward,  // <postmaster> without domain is allowed, RFC 5321 4.5.1
};

struct ParsedPath {
  mail::Address address;
  std::size_t size = 0;  // how much of the text the path took, brackets included
};

// The path at the start of text; what follows it is not looked at. A source route is accepted and
// dropped (RFC 5321 appendix C). Nothing: bad syntax or too long.
std::optional<ParsedPath> parse_path(std::string_view text, PathKind kind);

// The whole text as a mailbox: local part, "@", domain or address literal.
std::optional<mail::Address> parse_mailbox(std::string_view text);

// A local part as commands carry it: what Address::local_unquoted() gave, or what is to be the name
// of a mailbox, stays as it is when it is a dot-string and is put into quotes when it is not (RFC
// 5321 4.1.2). Whether the result fits into an address (its length, its characters) is told by
// parse_mailbox only.
std::string local_in_wire_form(std::string_view unquoted);

}  // namespace postwain::smtp
