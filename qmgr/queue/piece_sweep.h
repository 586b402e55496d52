// Removes the pieces of bodies that no message refers to (content_pieces.h): what is left of a
// transaction that its client gave up, or whose node ended in the middle. At the start and every
// hour, in short steps between other work of the store, and only in bags of this node.
//
// Pieces of ids that are younger than an hour stay, and so do those that are being stored. A client
// who is slower than that finds his pieces gone only if they were removed before his message was
// committed, and then it is not accepted.
#pragma once

#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "common/mail/queue_id.h"

#include "qmgr/shared/content_access.h"
#include "qmgr/shared/queue_core.h"

namespace postwain::qmgr {

constexpr Duration kSweepAfter = std::chrono::hours(1);  // and so old are ids before that
constexpr std::size_t kSweepPage = 200;                  // ids of one step

class PieceSweep {
 public:
  PieceSweep(QueueCore& core, ContentAccess& content);

  // Does nothing where the store has no pieces.
  void begin();
  void stop() { alarm_->stop(); }

  struct Place {
    unsigned bag = 0;
    mail::QueueId after{};
  };

 private:
  void step(Place place);

  QueueCore& core_;
  ContentAccess& content_;
  std::unique_ptr<Alarm> alarm_;
  std::uint64_t removed_ = 0;  // in this round
};

}  // namespace postwain::qmgr
