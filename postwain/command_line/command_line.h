// From arguments to one command. This folder is the home of CLI11; it knows the commands by
// name and nothing of what they do.
#pragma once

namespace postwain::tool {

// Returns the exit code (sysexits).
int run_command_line(int argc, char** argv);

}  // namespace postwain::tool
