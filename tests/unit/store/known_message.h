// What a sweep of content files asks: whether the store knows the message.
#pragma once

#include <cerrno>

#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr::test {

inline Result<bool> is_known(QueueStore& store, mail::QueueId id) {
  StoreResult<bool> known = QueueReader(store).has_message(id);
  if (!known) return Error{known.error().text, EIO};
  return *known;
}

}  // namespace postwain::qmgr::test
