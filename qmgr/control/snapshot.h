// A copy of the queue while it works: `postwain queue backup`. The database is copied by SQLite's
// own backup, some pages between two commits, so that no mail waits; what is written meanwhile is
// written to the copy, too. Then the content files are linked beside it; until that is done none is
// removed.
//
// The snapshot lies in snapshot/ of the spool until it is released; the command line copies it to
// where the operator wants it. One at a time; one that was forgotten is removed at the next start.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"

#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

constexpr int kBackupPages = 256;          // copied between two commits
constexpr std::size_t kBackupFiles = 500;  // linked in one job

class Snapshot {
 public:
  explicit Snapshot(Queue& queue);
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // done gets the folder, or why there is none. Refused while one is being made or in use.
  using Done = std::function<void(Result<std::string>)>;
  void make(Done done);
  void release();  // remove it

  static void remove_left_over(const std::string& spool);  // blocks; at start

 private:
  struct Copy;  // of the store's thread
  void copy_pages();
  void link_files(std::size_t first);
  void end(Result<std::string> result);

  Queue& queue_;
  std::string folder_;
  std::shared_ptr<Copy> copy_;
  std::vector<std::string> names_;  // of content files, while they are linked
  Done done_;
  bool there_ = false;
};

}  // namespace postwain::qmgr
