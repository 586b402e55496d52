// MAIL (RFC 5321 4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152, 3030), SMTPUTF8 (RFC 6531), RET and
// ENVID (RFC 3461), REQUIRETLS (RFC 8689): its argument as a value. Syntax only; limits and order
// are the engine's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/mail/envelope.h"
#include "common/smtp/syntax/esmtp_parameters.h"

namespace postwain::smtp {

struct MailCommand {
  mail::Envelope envelope;  // without recipients
  std::optional<std::uint64_t> size;
  bool auth = false;  // AUTH= was there; what it says does not count (RFC 4954 5)
};

// argument: what stands behind "MAIL ". origin: where the client may leave brackets and domains
// away, the domain of such an address; else empty.
Refusal parse_mail(std::string_view argument, MailCommand& command, std::string_view origin = {});

}  // namespace postwain::smtp
