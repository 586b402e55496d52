// Address lists of message headers (RFC 5322 3.4, with the obsolete forms of 4.4): To, Cc, Bcc.
// Only the addresses are of interest; names, comments and groups are recognised and dropped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/address.h"

namespace postwain::tool {

// In order, as often as they stand there. An address without a domain ("root") has none in the
// result. Nothing when the list is malformed; why_not then says where.
std::optional<std::vector<mail::Address>> parse_address_list(std::string_view text,
                                                             std::string* why_not = nullptr);

}  // namespace postwain::tool
