// Which fields of a message a signature names (RFC 6376 5.4).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/header_list.h"
#include "common/base/result.h"

namespace postwain::authentication::dkim {

// Beyond that a message is not signed; verifiers read no more names either.
constexpr std::size_t kNamesToSignMax = 500;
// Fields with longer names are not signed: a name cannot be folded.
constexpr std::size_t kNameToSignOctetsMax = 64;

// Names of fields, in any letter case; with "*" at the end all that begin so and are there.
struct FieldChoice {
  // Named once more than they are there, so that nobody can add one (RFC 6376 8.15). A name that
  // ends in "*" means only what is there: lists add their own List-Id to mail that has none.
  std::vector<std::string> oversigned{"From",         "To",           "Cc",
                                      "Subject",      "Date",         "Reply-To",
                                      "Message-ID",   "In-Reply-To",  "References",
                                      "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
                                      "List-*"};
  // Named as often as they are there.
  std::vector<std::string> others{};
  bool signatures = false;  // and the DKIM-Signature fields, as ARC wants it (RFC 8617 4.1.2)
};

// The list for h=, From first; From is always oversigned. Fields that others add or change on the
// way are never in it: Received, Return-Path, Authentication-Results, signatures and ARC's.
Result<std::vector<std::string>> fields_to_sign(const HeaderList& header,
                                                const FieldChoice& choice);

}  // namespace postwain::authentication::dkim
