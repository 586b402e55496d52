// qmgr as the tool behind `postwain queue recover`: not the queue manager, only what knows its
// files.
#pragma once

namespace postwain::qmgr {

// qmgr recover|recover-json SPOOL NEW: true when these are the arguments.
bool is_salvage(int argc, char** argv);
int salvage_command(char** argv);

}  // namespace postwain::qmgr
