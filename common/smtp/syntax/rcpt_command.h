// RCPT (RFC 5321 4.1.1.3) with NOTIFY and ORCPT (RFC 3461 4.1, 4.2): its argument as a value.
// Syntax only; whether the recipient is ours is decided in smtpd/acceptance/policy.h.
#pragma once

#include <string_view>

#include "common/mail/envelope.h"
#include "common/smtp/syntax/esmtp_parameters.h"

namespace postwain::smtp {

// argument: what stands behind "RCPT ". smtputf8: the MAIL command asked for it.
// origin: as for parse_mail.
Refusal parse_rcpt(std::string_view argument, bool smtputf8, mail::Recipient& recipient,
                   std::string_view origin = {});

}  // namespace postwain::smtp
