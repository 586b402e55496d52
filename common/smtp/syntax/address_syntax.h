// Addresses of the envelope: Mailbox, Reverse-path and Forward-path of RFC 5321 4.1.2, with the
// UTF-8 of RFC 6531 3.3. UTF-8 is always allowed here; whoever asked for SMTPUTF8 or did not is
// the caller's matter (Address::is_utf8). No decision about relaying: see
// smtpd/acceptance/policy.h.
//
// Two licences. Dots may stand anywhere in an unquoted local part ("taro..yamada@", "taro.@"):
// addresses that some mobile providers gave away before 2009 have them, their owners still write,
// and others relay them; a next hop that minds can say so. And a final dot of the domain is taken
// and dropped, since it is another way to write the same name.
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

// What is wrong with a path, in the order in which it is found.
enum class PathProblem : std::uint8_t {
  none,
  no_brackets,
  no_domain,  // a local part alone
  too_long,   // beyond kLocalPartMax, kDomainMax or kPathMax
  bad_name,   // a domain in UTF-8 that has no A-label form: no internationalized name
  syntax,
};

struct ParsedPath {
  mail::Address address;
  std::size_t size = 0;  // how much of the text the path took, brackets included
};

// The path at the start of text; what follows it is not looked at. A source route is accepted and
// dropped (RFC 5321 appendix C). Nothing: *problem says why.
std::optional<ParsedPath> parse_path(std::string_view text, PathKind kind,
                                     PathProblem* problem = nullptr);
// The same for clients that leave brackets and domains away ([access] bare_addresses): a path
// without brackets ends at the first space, and a local part alone is one of `origin`.
std::optional<ParsedPath> parse_bare_path(std::string_view text, PathKind kind,
                                          std::string_view origin, PathProblem* problem);

// The whole text as a mailbox: local part, "@", domain or address literal.
std::optional<mail::Address> parse_mailbox(std::string_view text, PathProblem* problem = nullptr);

// A local part as commands carry it: what Address::local_unquoted() gave, or what is to be the name
// of a mailbox, stays as it is when it is a dot-string and is put into quotes when it is not (RFC
// 5321 4.1.2). Whether the result fits into an address (its length, its characters) is told by
// parse_mailbox only.
std::string local_in_wire_form(std::string_view unquoted);

}  // namespace postwain::smtp
