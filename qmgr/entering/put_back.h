// From memory back into the store: recipients that wait in the scheduler are withdrawn, so that
// they are read, and routed, anew; and compact records become rows, which is the only form in which
// a part of a message is found again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "qmgr/destinations/destinations.h"

namespace postwain::qmgr {

class PutBack {
 public:
  PutBack(QueueCore& core, Destinations& destinations) : core_(core), destinations_(destinations) {}

  // Recipients of a message that is a compact record leave memory: as rows they are found again, as
  // work of these destinations. due: when the rows are due, or earlier, so that a refill that has
  // read past them begins again there.
  void normalise(mail::QueueId id, std::vector<std::string> destinations, WallTime due);
  // Withdraws the queued recipients (neither leased nor being settled) for which `meant` is true.
  // Jobs come out whole: those who share a destination with one of them go, too.
  using Meant = std::function<bool(const WorkingRecipient&)>;
  void withdraw(WorkingMessage& message, const Meant& meant);
  void withdraw_all(const Meant& meant);

 private:
  QueueCore& core_;
  Destinations& destinations_;
};

}  // namespace postwain::qmgr
