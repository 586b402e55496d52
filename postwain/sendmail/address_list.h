// Address lists of message headers (RFC 5322 3.4, with the obsolete forms of 4.4): To, Cc, Bcc.
// Only the addresses are of interest; names, comments and groups are recognised and dropped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/address.h"

namespace postwain::tool {

// What a list holds, however malformed a part of it is.
struct AddressList {
  struct Bad {
    std::string text;  // as it stands there, up to the next comma
    std::string why;
  };
  std::vector<mail::Address> addresses;  // in order, as often as they stand there
  std::vector<Bad> bad;
  // Where in the text the local parts end that no domain follows ("root"), in ascending order.
  std::vector<std::size_t> unqualified;
};
// Addresses are parted by commas, and by semicolons as some mail programs write them.
AddressList read_address_list(std::string_view text);

// The same where nothing may be malformed: else nothing, and why_not says where. An address without
// a domain ("root") has none in the result.
std::optional<std::vector<mail::Address>> parse_address_list(std::string_view text,
                                                             std::string* why_not = nullptr);

}  // namespace postwain::tool
