// What `filter` tells of DMARC, for the aggregate reports of RFC 9990: qmgr passes it on to the
// reporter. Lost ones are lost: no mail hangs on them.
//
// Each text and each list has a bound here and in common/mail/reported/dmarc_result.h. A frame
// beyond one is malformed.
#pragma once

#include <vector>

#include "common/ipc/messages.h"
#include "common/mail/reported/dmarc_result.h"

namespace postwain::ipc {

struct DmarcResults {
  static constexpr FrameType kType = FrameType::dmarc_results;
  std::vector<mail::CountedDmarcResult> results;
};

}  // namespace postwain::ipc
