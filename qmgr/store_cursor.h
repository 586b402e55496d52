// Where reading a destination's due rows goes on: behind this row, in the order of the index.
#pragma once

#include <cstdint>

#include "common/base/time.h"
#include "common/mail/queue_id.h"

namespace postwain::qmgr {

struct StoreCursor {
  WallTime due{};  // no row is due at the beginning of time
  mail::QueueId id;
  std::uint32_t index = 0;
};

}  // namespace postwain::qmgr
