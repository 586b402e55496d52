// What one node tells another of attempts (late_told.h), as the data of a request. It comes from
// outside, perhaps from a program of another version. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/mail/queue_id.h"

#include "qmgr/leaving/settling.h"

namespace postwain::qmgr {

using ToldOutcomes = std::map<mail::QueueId, std::vector<IndexedOutcome>>;

// What such data begins with: the version of the frames (ipc::LateOutcomes) behind it, since those
// of another one may say something else.
std::string told_beginning();
// Deliveries and failures, in the form in which they can be stored. All of it or nothing.
Result<ToldOutcomes> read_told(std::string_view data);

}  // namespace postwain::qmgr
