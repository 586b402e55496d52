// What a filter is told of an envelope: the parameters of MAIL and RCPT as a client could have
// written them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/mail/envelope.h"

namespace postwain::filtering {

// size: as the client has said it.
std::vector<std::string> arguments_of(const mail::Envelope& envelope,
                                      std::optional<std::uint64_t> size);
// smtputf8: of the envelope; it decides how an ORCPT is written.
std::vector<std::string> arguments_of(const mail::Recipient& recipient, bool smtputf8);
// "<address>".
std::string in_brackets(const mail::Address& address);

}  // namespace postwain::filtering
