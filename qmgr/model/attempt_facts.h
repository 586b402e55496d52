// What is known of a whole attempt beside the outcomes of its recipients: where its time went, and
// by which keys the message was signed for it. Empty where nobody has told, as of a lease of a
// former qmgr.
#pragma once

#include "common/mail/reported/signing_record.h"
#include "common/mail/stage_times.h"

namespace postwain::qmgr {

struct AttemptFacts {
  mail::StageTimes times{};
  mail::SigningRecord signing{};
};

}  // namespace postwain::qmgr
