// Runs qmgr as a tool that ends, with the rights of whoever the spool belongs to.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace postwain::tool {

struct QmgrTool {
  std::string program;             // qmgr; all three without links, and from the root on
  std::string spool;               // whose owner it becomes, where we are root and he is not
  std::string folder;              // that it writes into; the spool itself, or one that is made his
  std::vector<std::string> words;  // behind the program's name
  std::string input;               // its standard input
};

// Waits for its end, and gives its exit code. What cannot be done is printed: a sysexits code.
int run_qmgr_tool(const QmgrTool& tool);

}  // namespace postwain::tool
