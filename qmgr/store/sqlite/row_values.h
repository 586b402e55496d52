// Rows of the queue database as values. What comes back is checked like input from outside: a
// damaged row must not become an impossible value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "qmgr/model/message.h"
#include "qmgr/store/sqlite/sqlite.h"

namespace postwain::qmgr {

template <class Enum>
Enum enum_of(std::int64_t number, Enum last) {
  return static_cast<Enum>(std::clamp<std::int64_t>(number, 0, static_cast<std::int64_t>(last)));
}

// The columns of Sql::select_message and Sql::list_messages.
MessageInfo read_info(Use& use);
// The columns of Sql::select_recipients, and of Sql::due_recipients behind the message's id.
StoredRecipient read_recipient(Use& use);

}  // namespace postwain::qmgr
