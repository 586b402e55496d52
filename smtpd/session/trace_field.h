// The Received field we put first (RFC 5321 4.4, RFC 3848 for the protocol name, RFC 6531 4.3).
// Pure.
#pragma once

#include <string>

#include "common/base/time.h"
#include "common/mail/envelope.h"
#include "common/mail/queue_id.h"
#include "common/smtp/syntax/dialect.h"

namespace postwain::smtpd {

struct Trace {
  std::string_view hello_name;      // as the client said it, whatever that was
  std::string_view client_name;     // as the DNS confirms it; empty: not known
  std::string_view client_address;  // plain_address(); empty for a Unix socket
  std::string_view hostname;
  std::string_view protocol;  // protocol_name()
  std::string_view tls;       // "TLSv1.3 TLS_AES_256_GCM_SHA384", empty in clear
};

// "SMTP", "ESMTP", "ESMTPS", "ESMTPSA", "LMTPS", "UTF8SMTPS" …
std::string protocol_name(const smtp::Dialect& dialect, bool extended, bool tls, bool smtputf8,
                          bool authenticated = false);

// With its CRLF, folded. Names the recipient only when there is exactly one: several would tell
// each of blind carbon copies of the others.
std::string received_field(const Trace& trace, mail::QueueId id, const mail::Envelope& envelope,
                           WallTime now);

}  // namespace postwain::smtpd
