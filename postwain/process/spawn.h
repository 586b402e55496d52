// Starting a program as another user with exactly the descriptors it shall have. No watching of it
// afterwards (supervisor.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/base/result.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

struct Program {
  std::string path;
  std::vector<std::string> arguments;      // the first is the program's name
  std::vector<int> descriptors;            // become 3, 4, …; everything else is closed
  std::optional<Identity> identity;        // absent: the same user
  std::vector<std::string> environment{};  // "NAME=value"; nothing else is passed on
  int standard_error = 2;                  // becomes 2
};

// Returns when the program runs, or why it does not. It is in a process group of its own, so that a
// terminal's Ctrl-C reaches the supervisor alone, and it is killed when the supervisor ends without
// having stopped it.
Result<pid_t> spawn(const Program& program);

}  // namespace postwain::tool
