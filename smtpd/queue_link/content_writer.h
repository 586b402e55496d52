// Writes large content into the files that qmgr lends, on a thread of its own: a file system may
// take its time for a write, and the sessions must not wait for it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/file.h"
#include "common/daemon/worker.h"
#include "common/net/loop.h"

namespace postwain::smtpd {

// One file that is being written, shared with the job that writes.
struct LentFile {
  UniqueFd descriptor;
  std::uint64_t written = 0;
  std::uint64_t on_its_way = 0;  // to the disk, of those written
};

class ContentWriter {
 public:
  // How it ended, and the buffer back, empty, for what comes next.
  using Done = std::function<void(const Status&, std::string buffer)>;

  explicit ContentWriter(net::Loop& loop);

  // Appends, or begins the file anew. One write of a file at a time; done is called once: later, or
  // at once with EBUSY when too many wait.
  void write(std::shared_ptr<LentFile> file, std::string bytes, bool anew, Done done);

 private:
  daemon::Worker worker_;
};

}  // namespace postwain::smtpd
