// Between a client and a PostgreSQL server: a socket in a folder of its own that passes bytes on,
// until it is told to end a connection behind a certain byte. Connections that are made after that
// pass wholly.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/base/file.h"

#include "tests/unit/qmgr/support.h"

namespace postwain::qmgr::test {

class CuttingProxy {
 public:
  enum class Direction { to_server, to_client };

  explicit CuttingProxy(const std::string& server_folder);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  const std::string& folder() const { return folder_.path(); }
  // Counted from now on, over all connections: so many bytes pass in that direction, and then the
  // connection that had the last of them ends at both sides.
  void cut_after(Direction direction, std::size_t bytes);
  // Whether that has happened.
  bool stop_cutting();

 private:
  struct Pair {
    UniqueFd client;
    UniqueFd server;
  };
  void serve();
  void take_connection();
  bool pass_on(Pair& pair, Direction direction);

  TempFolder folder_;
  std::string server_;
  UniqueFd listener_;
  std::vector<Pair> pairs_;  // the thread's own
  std::mutex mutex_;
  bool armed_ = false;
  bool cut_ = false;
  Direction direction_ = Direction::to_server;
  std::size_t left_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace postwain::qmgr::test
