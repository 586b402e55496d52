// A queued message in a form that another queue can take: a JSON object with everything but the
// content. postwain(8) documents it. Pure.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/ipc/messages.h"

namespace postwain::tool {

struct PortableMessage {
  mail::QueueId id;
  mail::Envelope envelope;
  ipc::Arrival arrival;
  bool eight_bit = false;
  std::uint64_t size = 0;
  std::uint8_t kind = 0;   // qmgr::MessageKind
  bool unjudged = false;   // filters were still to be asked about it
  std::vector<bool> held;  // of each recipient
};

// shown: what `queue show` tells of the message, all its recipients in one object.
Result<std::string> portable_text(const std::string& shown);
// Of a file somebody hands us: everything is looked at.
Result<PortableMessage> parse_portable(const std::string& text);

}  // namespace postwain::tool
