// A message that lies in rows, whole: read from one store, written into another as it was.
#pragma once

#include <string>
#include <vector>

#include "qmgr/model/message.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

struct RowMessage {
  MessageInfo info;
  std::vector<StoredRecipient> recipients;  // those that are left, in the order of their indices
  std::string content;                      // what the store keeps of it
};

// damaged: a part of it is not there.
StoreResult<RowMessage> read_row_message(QueueStore& store, const MessageInfo& info);
// Both within a transaction of the caller. refused: another message with its id is there; if the
// same one is there, nothing is done.
StoreStatus write_row_message(QueueStore& store, const RowMessage& message);
StoreStatus remove_row_message(QueueStore& store, const RowMessage& message);

}  // namespace postwain::qmgr
