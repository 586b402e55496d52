// One question to the running Postwain over qmgr's socket, and its answers. Blocks until the last
// one; no formatting here.
#pragma once

#include <functional>
#include <string>

#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/net/stream.h"

namespace postwain::tool {

struct AskOptions {
  bool endless = false;  // silence is no fault, answers come as things happen
  // Root's rights are given up for those of qmgr's user before anything is read of it, since it may
  // have been taken over: for the whole process and for good. False: this command needs them later,
  // and makes no use of the answers but for people.
  bool give_up_root = true;
  // The last moment with root's rights; whose folder is to be written into.
  std::function<Status(const net::PeerCredentials& server)> before_giving_up{};
};

// on_reply gets the JSON text of each answer. The result is the exit code of the last answer; an
// Error carries a sysexits code and a sentence for the operator. A stranger who listens at the
// socket (trust.h) is told nothing.
Result<int> ask(const config::Config& config, const std::string& request,
                const std::function<void(const std::string& json)>& on_reply,
                AskOptions options = {});

// Who gives commands, for the log and for whoever wonders later; behind sudo(8) the person.
std::string operator_name();

// The sentence and the code for a qmgr that cannot be reached: kExitUnavailable where Postwain does
// not run at all, and kExitTempFail where it does.
Error not_reachable(const std::string& socket, const Error& error);

}  // namespace postwain::tool
