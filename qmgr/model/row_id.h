// Queue ids as the databases keep them.
#pragma once

#include <cstdint>

#include "common/mail/queue_id.h"

namespace postwain::qmgr {

inline std::int64_t number_of(mail::QueueId id) {
  return static_cast<std::int64_t>(id.value);
}
inline mail::QueueId id_of(std::int64_t number) {
  return mail::QueueId{static_cast<std::uint64_t>(number)};
}

}  // namespace postwain::qmgr
