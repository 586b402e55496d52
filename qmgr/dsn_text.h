// The two written parts of a notice: the words for a person and the fields for a program (RFC 3464
// 2). Pure. Every line ends with CRLF and stays below 998 bytes.
#pragma once

#include <string>

#include "qmgr/dsn.h"

namespace postwain::qmgr {

// whole: the original is quoted in full. utf8: the notice may hold UTF-8; otherwise ASCII only.
std::string dsn_human_text(const DsnRequest& request, bool whole, bool utf8);
std::string dsn_status_fields(const DsnRequest& request, bool utf8);

// Status of a recipient: the peer's enhanced code when it fits the action, else the general one.
std::string dsn_status_code(DsnAction action, const DsnRecipient& recipient);

}  // namespace postwain::qmgr
