// Watches a descriptor that somebody else owns, reads and writes (c-ares' sockets). The watcher
// must be destroyed before the descriptor is closed; destroying it silences it at once.
#pragma once

#include <functional>

#include "common/net/loop.h"

namespace postwain::net {

class FdWatcher {
 public:
  // ready(readable, writable) may destroy the watcher.
  FdWatcher(Loop& loop, int fd, std::function<void(bool readable, bool writable)> ready);
  ~FdWatcher();
  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;

  void watch(bool read, bool write);

 private:
  struct Core;
  Core* core_;
};

}  // namespace postwain::net
