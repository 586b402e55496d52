// SMTP and LMTP (RFC 2033) as data: everything in which the two differ, for both roles. No code
// asks "is this LMTP?".
#pragma once

#include <string_view>

namespace postwain::smtp {

struct Dialect {
  std::string_view name;     // "SMTP", "LMTP"
  std::string_view hello;    // the extended hello verb
  bool plain_hello;          // HELO exists as well
  bool reply_per_recipient;  // after the content one reply for each accepted recipient, in RCPT
                             // order
};

inline constexpr Dialect kSmtp{"SMTP", "EHLO", true, false};
inline constexpr Dialect kLmtp{"LMTP", "LHLO", false, true};

}  // namespace postwain::smtp
