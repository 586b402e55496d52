// What the log says of recipients that are settled, and the outcome of one that nobody tries.
#pragma once

#include <vector>

#include "qmgr/model/message.h"
#include "qmgr/verdicts/notice_plan.h"
#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

// Of a recipient of whom the receiver knew the end already (mail::Recipient::decided), or whose
// route discards.
mail::Outcome outcome_of(const mail::Reply& decided);

void log_held(mail::QueueId id, const RecipientFacts& facts, const RecipientChange& change);
void log_null_sender_refused(mail::QueueId id, const RecipientFacts& facts,
                             const mail::Outcome& outcome);
void log_discarded(const MessageInfo& info, const mail::Address& recipient,
                   const mail::Outcome& outcome);
// untold: nobody hears of what failed (ends_untold).
void log_events(const MessageInfo& info, const std::vector<RecipientEvent>& events, bool untold);

}  // namespace postwain::qmgr
