// The log lines of what filters said of a message ("filtered"), whoever asked them.
#pragma once

#include "common/ipc/filter_messages.h"
#include "common/mail/queue_id.h"

namespace postwain::filtering {

// A line for each filter, whatever became of the message.
void log_judgements(mail::QueueId id, const ipc::FilterResult& result);

}  // namespace postwain::filtering
