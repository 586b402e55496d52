// The two written parts of a notice: the words for a person and the fields for a program (RFC 3464
// 2). Pure. Every line ends with CRLF and stays far below 998 bytes.
#pragma once

#include <string>

#include "common/notice/dsn.h"

namespace postwain::notice {

// What all parts of one notice agree on.
struct DsnForm {
  bool utf8 = false;   // fields may hold UTF-8; otherwise ASCII only
  bool whole = false;  // the original is quoted in full
  std::size_t reply_max = kDsnReplyMax;
};

// UTF-8 in any case: the caller encodes the part.
std::string dsn_human_text(const DsnRequest& request, const DsnForm& form);
std::string dsn_status_fields(const DsnRequest& request, const DsnForm& form);
// UTF-8; one line.
std::string dsn_subject(const DsnRequest& request);

// Status of a recipient: the peer's enhanced code when it fits the action, else the general one.
std::string dsn_status_code(DsnAction action, const DsnRecipient& recipient);

}  // namespace postwain::notice
