// A settlement is committed and synced: the numbers, the schedule, the working set and the content
// follow what the store did, and notices that were written with it go to the scheduler.
#pragma once

#include <functional>

#include "qmgr/entering/offering.h"
#include "qmgr/shared/content_access.h"

namespace postwain::qmgr {

class AfterCommit {
 public:
  // Called for a message of which recipients are no longer being settled.
  using AttemptsEnded = std::function<void(mail::QueueId)>;
  AfterCommit(QueueCore& core, Destinations& destinations, PutBack& put_back, Offering& offering,
              ContentAccess& content, AttemptsEnded attempts_ended,
              std::function<void()> on_unjudged)
      : core_(core),
        destinations_(destinations),
        put_back_(put_back),
        offering_(offering),
        content_(content),
        attempts_ended_(std::move(attempts_ended)),
        on_unjudged_(std::move(on_unjudged)) {}

  void settled(SettleRequest& request);

 private:
  void schedule_changes(const SettleRequest& request, WallTime now);
  void read_refused_again(const SettleRequest& request, WallTime now);
  void count(const SettleRequest& request);
  void count(mail::QueueId id, const RecipientChange& change);
  void forget(const Settlement& settlement, WallTime now);

  QueueCore& core_;
  Destinations& destinations_;
  PutBack& put_back_;
  Offering& offering_;
  ContentAccess& content_;
  AttemptsEnded attempts_ended_;
  std::function<void()> on_unjudged_;  // a message may be due that waits for its filters
};

}  // namespace postwain::qmgr
