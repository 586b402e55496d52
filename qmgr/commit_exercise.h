// What SQLite needs of the kernel on this machine, for `postwain selftest`
// (common/daemon/exercise.h).
#pragma once

#include "common/daemon/exercise.h"

namespace postwain::qmgr {

// A small database in the spool: opened, written to, committed with sync, and removed. It does not
// touch the queue's own.
daemon::Exercise commits();

}  // namespace postwain::qmgr
