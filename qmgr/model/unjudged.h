// Messages that wait for the filters that are to be asked about them (judging.h). They are rows
// like any other, whose recipients have a destination of its own that no client is ever lent mail
// for. So the mark lies on the disk with the message, and wherever rows go, it goes, too. Pure.
#pragma once

#include <string_view>

#include "qmgr/model/message.h"

namespace postwain::qmgr {

// No next hop's key is this; operators see it where they see the route of other mail.
constexpr std::string_view kUnjudged = "filters";

constexpr bool is_unjudged(std::string_view destination) {
  return destination == kUnjudged;
}
// All its recipients wait together.
inline bool is_unjudged(const NewMessage& message) {
  return !message.recipients.empty() && is_unjudged(message.recipients.front().destination);
}
inline bool is_unjudged(const StoredMessage& message) {
  return !message.recipients.empty() && is_unjudged(message.recipients.front().destination);
}

}  // namespace postwain::qmgr
