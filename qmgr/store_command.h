// What is done with stores while Postwain is stopped, for `postwain queue move`
// (moving/move_queue.h) and `postwain queue take-over`.
#pragma once

namespace postwain::qmgr {

// Whether the arguments ask for it: "move", "move-json" or "take-over", and the spool folder.
bool is_store_command(int argc, char** argv);

// Standard input is a StoreOrder (store_order.h). To take over asks for no store to move from. A
// sysexits code.
int store_command(char** argv);

}  // namespace postwain::qmgr
