// Where reading goes on.
#pragma once

#include <cstdint>

#include "common/base/time.h"
#include "common/mail/queue_id.h"

namespace postwain::qmgr {

// In a destination's due rows: behind this row, in the order of the index.
struct StoreCursor {
  WallTime due{};  // no row is due at the beginning of time
  mail::QueueId id;
  std::uint32_t index = 0;
};

// In the list of messages: at recipient `from` of the message `within` if that is not 0, then
// behind the message `after`.
struct ListCursor {
  mail::QueueId after;
  mail::QueueId within;
  std::uint32_t from = 0;
};

// Where a count by recipients goes on: behind this one.
struct SurveyCursor {
  mail::QueueId id{};
  std::int64_t index = INT64_MAX;
};

}  // namespace postwain::qmgr
