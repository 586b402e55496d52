// One question to the running Postwain over qmgr's socket, and its answers. Blocks until the last
// one; no formatting here.
#pragma once

#include <functional>
#include <string>

#include "common/base/result.h"

namespace postwain::tool {

// on_reply gets the JSON text of each answer, false ends early. The result is the exit code of the
// last answer; an Error carries a sysexits code and a sentence for the operator.
// endless: silence is no fault, answers come as things happen.
Result<int> ask(const std::string& socket, const std::string& request,
                const std::function<void(const std::string& json)>& on_reply, bool endless = false);

// Who gives commands, for the log and for whoever wonders later; behind sudo(8) the person.
std::string operator_name();

// The sentence and the code for a qmgr that cannot be reached.
Error not_reachable(const std::string& socket, const Error& error);

}  // namespace postwain::tool
