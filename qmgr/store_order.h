// What a tool that works with stores is told by `postwain` on its standard input, which nobody else
// can read: passwords are among it.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/config/table/queue.h"

namespace postwain::qmgr {

struct StoreOrder {
  config::QueueDatabase from;  // of a move; else SQLite
  config::QueueDatabase to;    // what [queue] store names
  std::string runtime_dir;

  std::string text() const;  // "from A to B", of a move
};

// Six lines: the store to move from, its password, the store of the configuration, its password,
// the name of this node, and runtime_dir. Each store is "sqlite" or an address. The error's code is
// one of sysexits.h.
Result<StoreOrder> read_store_order();

// Prints "postwain: text" on standard error, and gives the code.
int tool_failed(int code, const std::string& text);

}  // namespace postwain::qmgr
