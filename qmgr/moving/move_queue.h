// All mail of one store into another, from SQLite into a database or back, with open breakers,
// suspensions, MTA-STS policies, what next hops said of recipients, and the time that passed
// unseen. Nobody works with either store meanwhile, nor until the move has ended: a delivery
// between two runs would be repeated.
//
// Each part is committed where it goes before it is removed where it was, so no end of this at any
// moment loses anything; another run then goes on where that one ended. What lies in both stores is
// known by its id, and removed where it came from only if both are the same message.
#pragma once

#include <cstdint>

#include "qmgr/disk/content_files.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

struct QueuePlace {
  QueueStore& store;
  ContentFolder files;  // of bodies; copies, where the store has them, too (content_pieces.h)
};

struct MovedQueue {
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
};

// refused: one of the messages cannot be stored there, or another one with its id is there; it and
// what comes behind it stay where they are.
StoreResult<MovedQueue> move_queue(QueuePlace from, QueuePlace to);

}  // namespace postwain::qmgr
