// What `postwain queue move` has this program do while Postwain is stopped: all mail goes from one
// store into another (moving/move_queue.h).
#pragma once

namespace postwain::qmgr {

// Whether the arguments ask for it: "move" (or "move-json") and the spool folder.
bool is_move(int argc, char** argv);

// Standard input has five lines: the store to move from, its password, the store to move into, its
// password, and the name of this node. Each store is "sqlite" or an address. A sysexits code.
int move_command(char** argv);

}  // namespace postwain::qmgr
