// The content of queued messages, wherever it lies: in the store or in a file of its own. Reads,
// shares and removes it, on threads of its own, so that the loop never waits for a disk.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/mail/queue_id.h"
#include "common/net/loop.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/disk/content_worker.h"
#include "qmgr/scheduling/working_set.h"
#include "qmgr/shared/content_reader.h"
#include "qmgr/store/store_service.h"

namespace postwain::qmgr {

class ContentAccess {
 public:
  ContentAccess(net::Loop& loop, ContentFolder files, StoreService& store)
      : files_(std::move(files)), store_(store), worker_(loop) {}

  // What is not in memory of a content (content_reader.h).
  void open(const WorkingMessage& message, ContentReader::OnOpen done);
  void read(const MessageInfo& info, std::uint64_t offset, std::size_t length,
            ContentReader::OnBytes done);
  // The file of one message becomes that of others, too, synced. done: an empty text, or why not.
  void share(mail::QueueId id, std::vector<mail::QueueId> others,
             std::function<void(const std::string& error)> done);
  // What is left over when the process ends before that is an orphan, which the next start removes.
  void remove(mail::QueueId id);
  // While a snapshot is made, files of settled messages stay (snapshot.h).
  void keep_files(bool keep);
  // After the jobs that wait; what they complete may still write to the store.
  void finish();

  const ContentFolder& files() const { return files_; }
  ContentWorker& worker() { return worker_; }

 private:
  ContentFolder files_;
  StoreService& store_;
  ContentWorker worker_;
  bool keep_ = false;
  bool finished_ = false;
  std::vector<mail::QueueId> kept_;  // to be removed afterwards
};

}  // namespace postwain::qmgr
