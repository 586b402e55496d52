// The author domain of a message (RFC 9989 5.3.1): that of the address in its From field. Groups
// (RFC 6854), comments, quoted strings, obsolete routes and UTF-8 (RFC 6532) are understood;
// U-labels come out as A-labels. Pure; the header section is a stranger's.
//
// Where a message has no author domain, or more than one, DMARC says nothing of it, and whoever
// wants to be deceived by such mail less often needs a rule of his own (RFC 9989 11.5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/address.h"

namespace postwain::authentication {

constexpr std::size_t kAuthorFieldMax = 65536;  // octets; a longer From field is not parsed
constexpr std::size_t kAuthorsMax = 100;        // addresses in it; with more it is not parsed

enum class AuthorVerdict : std::uint8_t {
  one,
  none,        // no From field, or no address with a domain name in it
  several,     // different domains, or more than one From field
  unparsable,  // no list of mailboxes, or a domain that is no name
};
std::string_view text_of(AuthorVerdict verdict);

struct Author {
  AuthorVerdict verdict = AuthorVerdict::none;
  std::string domain{};  // of `one`: canonical_domain()
};

// header: the whole header section with its CRLFs.
Author author_of(std::string_view header);
// The same of the value of one From field, with its folds. An address that stands unquoted before
// the bracket ("a@x.example <b@y.example>") is one that some readers see, and counts as well.
Author author_of_field(std::string_view value);

// The addresses of all fields of that name (From, Sender, …), those without a domain and those that
// only some readers see among them; each may be there several times. Nothing: one of the fields is
// no list of mailboxes.
std::optional<std::vector<mail::Address>> addresses_in(std::string_view header,
                                                       std::string_view name);

}  // namespace postwain::authentication
