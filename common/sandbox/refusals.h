// A system call that the sandbox refuses is no riddle: the process says on its standard error which
// one it was, by name, once for each call, and goes on with EPERM.
//
// The supervisor reads these lines and logs them (postwain/process/error_output.h). They are
// written by the signal handler itself: what a library does about a refused call may be to end the
// process.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postwain::sandbox {

// Before confine_calls(), which then refuses by SIGSYS. Where this processor is not known here, it
// does nothing, and calls fail without a word. A call that is refused while its thread blocks
// SIGSYS ends the process; nobody does that here but the libc for moments.
Status report_refusals();

// The line for a call: "the sandbox refused the system call NAME".
std::string refusal_line(int call);
// The name in such a line, nothing for any other line. A taken-over process can write them as well.
std::optional<std::string> refused_call(std::string_view line);

}  // namespace postwain::sandbox
