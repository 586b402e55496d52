// A db-link for a command that works with a queue while Postwain is stopped, where [queue] store
// names a host of the network.
#pragma once

#include <string>

#include <sys/types.h>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/config/load/bundle.h"

namespace postwain::tool {

class DatabaseLink {
 public:
  // Does nothing where no host of [queue] store is one of the network. The folders are made as
  // `postwain run` makes them. An error's code is a sysexits code; it is kExitTempFail while
  // Postwain runs, whose sockets stay as they are.
  static Result<DatabaseLink> start(const config::Loaded& loaded, const std::string& programs);
  // Ends the process and waits for that.
  ~DatabaseLink();
  DatabaseLink(DatabaseLink&& other) noexcept;
  DatabaseLink& operator=(DatabaseLink&&) = delete;

 private:
  DatabaseLink() = default;

  UniqueFd lock_;
  pid_t pid_ = 0;
};

}  // namespace postwain::tool
