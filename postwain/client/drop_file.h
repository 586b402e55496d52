// What sendmail leaves behind while the queue manager cannot be reached: one message in a file that
// pickup submits later, with the id it got here, so that a second try stores it once. Pure.
//
// The file: "postwain-drop 1", then lines "key value" (each key as often as it occurs, values
// without control characters), an empty line, then the content as it goes on the wire.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/ipc/messages.h"

namespace postwain::tool {

constexpr std::size_t kDropHeadMax = 4U << 20;

struct DropHead {
  mail::QueueId id;
  mail::Envelope envelope;
  ipc::Arrival arrival;
};

std::string encode_drop_head(const DropHead& head);
// Anybody on the machine may have written the text: everything is looked at as if a client had said
// it. text ends with the empty line.
Result<DropHead> parse_drop_head(std::string_view text);
// The length of the head with its empty line; 0: there is none in these bytes.
std::size_t drop_head_size(std::string_view bytes);

// A recipient that fails in the queue with the first word that is said of it: text is what was
// given and is no address. The address stands for it where one is needed; the reason has the text.
mail::Recipient not_an_address(std::string_view text);

// An id no other process gives: those of the drop folder have a number of their own where qmgr's
// number for a process stands. It is of the last second; 22 bits of it are random.
mail::QueueId drop_id(WallTime now, std::uint32_t random);

}  // namespace postwain::tool
