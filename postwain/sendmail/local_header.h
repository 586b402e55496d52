// The header of a message from a local program made complete (RFC 6409 8): Date, Message-ID and
// From where missing, names without a domain completed, Bcc taken out. Pure. The body is not
// touched. The Received field is qmgr's to write: it knows from the kernel who submits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/mail/address.h"
#include "common/mail/queue_id.h"
#include "postwain/sendmail/address_list.h"

namespace postwain::tool {

// Recipients of -t: To, Cc and Bcc, or their Resent- forms when there are any (RFC 5322 3.6.6).
struct HeaderRecipients {
  std::vector<mail::Address> addresses;
  std::vector<AddressList::Bad> bad;  // what is no address
};
HeaderRecipients header_recipients(std::string_view header);

struct LocalOrigin {
  mail::QueueId id;  // makes the Message-ID unique
  WallTime now{};
  std::string hostname;
  std::string origin{};   // completes addresses without a domain; empty: they stay as they are
  std::string from;       // address for a missing From
  std::string full_name;  // for a missing From, UTF-8; may be empty
};
// header: CRLF lines without the empty one. The result ends with the empty line.
std::string complete_header(std::string_view header, const LocalOrigin& origin);

// "Anna Example", "\"Example, Anna\"" or an encoded word: a display name as it may stand in From.
std::string phrase(std::string_view name);

}  // namespace postwain::tool
