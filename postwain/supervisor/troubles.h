// What keeps processes from working: who does not start, and who ends again and again, with how,
// the cause as far as it is known, and what to do. For the log (once), for `postwain status`, and
// for commands when qmgr is not there to be asked (trouble_file.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "postwain/supervisor/child.h"

namespace postwain::tool {

class Troubles {
 public:
  // After a death that is worth it (Child::Death); logs it.
  void add(const Child& child, int wait_status, const Child::Death& death);
  // Removes the troubles that have ended: the process that did not start is ready, the one that
  // kept ending has not died for a while, or it is not to run any more. True: some were removed.
  bool remove_ended(const std::vector<std::unique_ptr<Child>>& children);
  std::vector<std::string> texts() const;

 private:
  struct One {
    std::string text;
    bool until_ready = false;
  };
  std::map<std::string, One> of_;  // by the name of the process
};

}  // namespace postwain::tool
