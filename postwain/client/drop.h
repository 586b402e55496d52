// Leaving a message in the drop folder, as any user of the machine may: the folder lets everybody
// add files and nobody list them, so a name nobody can guess keeps the content private.
#pragma once

#include "common/config/config_fwd.h"
#include "postwain/client/submission.h"

namespace postwain::tool {

constexpr mode_t kDropMode = 01733;

// Success: the message is on the disk and will be picked up. The error carries a sysexits code.
Status drop(const config::Config& config, const SubmissionSource& source);

}  // namespace postwain::tool
