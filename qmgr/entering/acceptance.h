// New messages, from the intake to the commit: what their recipients stand for, where those go, one
// transaction for all that becomes of a message, and then to the scheduler (offering.h).
#pragma once

#include <functional>
#include <memory>

#include "qmgr/entering/early_names.h"
#include "qmgr/entering/notices.h"
#include "qmgr/entering/offering.h"
#include "qmgr/shared/content_access.h"

namespace postwain::qmgr {

class Acceptance {
 public:
  using Done = std::function<void(AcceptEnd)>;
  Acceptance(QueueCore& core, Destinations& destinations, Notices& notices, Offering& offering,
             EarlyNames& early_names, ContentAccess& content)
      : core_(core),
        destinations_(destinations),
        notices_(notices),
        offering_(offering),
        early_names_(early_names),
        content_(content) {}

  // The recipients' destinations are filled in here; as they are worked out here, one message may
  // become several. done: after the sync, or when it is refused.
  void accept(NewMessage message, Done done);

 private:
  void wait_for_filters(NewMessage message, Done done);
  AcceptEnd expand_into(Submission& submission, NewMessage message);
  void route(NewMessage& message);
  void ended(AcceptRequest& request, const Done& done);
  void commit(std::unique_ptr<AcceptRequest> request);
  void store(std::unique_ptr<AcceptRequest> request);
  void remove_parts(const Submission& submission);
  void accepted(Submission submission, WallTime due, std::chrono::steady_clock::time_point began);

  QueueCore& core_;
  Destinations& destinations_;
  Notices& notices_;
  Offering& offering_;
  EarlyNames& early_names_;
  ContentAccess& content_;
};

}  // namespace postwain::qmgr
