// Notices to senders on their way into the queue: whom they are for by the operator's rules
// (success_limit.h), what their readers' addresses stand for, and where they go.
#pragma once

#include <vector>

#include "qmgr/destinations/destinations.h"
#include "qmgr/verdicts/notice_plan.h"
#include "qmgr/verdicts/success_limit.h"

namespace postwain::qmgr {

class Notices {
 public:
  Notices(QueueCore& core, Destinations& destinations) : core_(core), destinations_(destinations) {}

  // Ready to be stored with the change they tell of; none without a reader.
  std::vector<NoticeOrder> orders_for(const MessageInfo& info, std::vector<RecipientEvent> events);

 private:
  NoticeSettings settings_for(const MessageInfo& info) const;
  void leave_out_beyond_limit(const MessageInfo& info, std::vector<NoticeOrder>& orders);
  void address(std::vector<NoticeOrder>& orders);

  QueueCore& core_;
  Destinations& destinations_;
  SuccessLimit success_limit_;
};

}  // namespace postwain::qmgr
