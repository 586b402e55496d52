// How discarding is told from delivering: it ends like a delivery, at a host of this name.
#pragma once

#include <string>
#include <string_view>

#include "common/mail/outcome.h"

namespace postwain::qmgr {

constexpr std::string_view kDiscardHost = "discard";

inline bool is_discarded(const mail::Outcome& outcome) {
  return outcome.disposition == mail::Disposition::delivered && outcome.reply.code == 0 &&
         outcome.remote_host == kDiscardHost;
}

// A destination whose route says deliver = "discard".
inline bool is_discarding(std::string_view destination) {
  return destination.substr(0, destination.find(' ')) == kDiscardHost;
}

}  // namespace postwain::qmgr
