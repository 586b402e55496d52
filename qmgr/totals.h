// How many messages and recipients the queue holds, without ever asking the store for the whole:
// what was there at start is counted stretch by stretch in the background, changes are added as
// they commit. Pure.
#pragma once

#include <cstdint>

#include "common/mail/queue_id.h"

#include "qmgr/store.h"

namespace postwain::qmgr {

class Totals {
 public:
  // last: the newest message at start. Ids above it are never part of a stretch.
  void start(mail::QueueId last) { last_ = last; }
  mail::QueueId cursor() const { return cursor_; }
  mail::QueueId last() const { return last_; }
  // A stretch up to `end` was counted; end of the work when there was none.
  void counted(mail::QueueId end, const Counts& counts) {
    cursor_ = end;
    messages_ += counts.messages;
    recipients_ += counts.recipients;
  }
  void finished() { cursor_ = last_; }
  bool complete() const { return cursor_ >= last_; }

  void added(std::size_t recipients) {
    ++messages_;
    recipients_ += static_cast<std::int64_t>(recipients);
  }
  // What is removed before its stretch was counted will simply not be found there.
  void removed(mail::QueueId id, std::size_t recipients, bool message) {
    if (id <= last_ && id > cursor_) return;
    recipients_ -= static_cast<std::int64_t>(recipients);
    if (message) --messages_;
  }
  std::int64_t messages() const { return messages_; }
  std::int64_t recipients() const { return recipients_; }

 private:
  mail::QueueId last_;
  mail::QueueId cursor_;
  std::int64_t messages_ = 0;
  std::int64_t recipients_ = 0;
};

}  // namespace postwain::qmgr
