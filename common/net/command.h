// A program run beside the loop, for what it prints. Without a shell, with an empty standard input
// and our standard error; killed, with what it started, when it takes too long or prints too much.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/net/loop.h"

namespace postwain::net {

class Command {
 public:
  // words: the path of the program and its arguments. done is called once, later; not any more when
  // this is destroyed, which kills the program. Success: it ended with 0.
  Command(Loop& loop, const std::vector<std::string>& words, Duration limit, std::size_t size_max,
          std::function<void(Result<std::string>)> done);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

 private:
  struct Core;
  Core* core_;
};

}  // namespace postwain::net
