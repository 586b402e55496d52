// The content of queued messages, wherever it lies: in the store or in a file of its own. Reads,
// shares and removes it, on threads of its own, so that the loop never waits for a disk. Where
// several machines share the queue, the files are copies of what the store has
// (shared_contents.h), and those that are missing here are made when they are wanted.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/mail/queue_id.h"
#include "common/net/loop.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/disk/content_worker.h"
#include "qmgr/scheduling/working_set.h"
#include "qmgr/shared/content_reader.h"
#include "qmgr/shared/shared_contents.h"
#include "qmgr/store/batch.h"
#include "qmgr/store/store_service.h"

namespace postwain::qmgr {

class ContentAccess {
 public:
  ContentAccess(net::Loop& loop, ContentFolder files, StoreService& store)
      : files_(std::move(files)), store_(store), worker_(loop) {
    if (auto transfers = store.transfers())
      shared_ = std::make_unique<SharedContents>(loop, files_, std::move(transfers));
  }

  // What is not in memory of a content (content_reader.h).
  void open(const WorkingMessage& message, ContentReader::OnOpen done);
  void read(const MessageInfo& info, std::uint64_t offset, std::size_t length,
            ContentReader::OnBytes done);
  // Before a message with a file is committed, and its parts, to which that becomes a file of their
  // own: it is where whoever delivers them looks for it, or this has failed. Perhaps at once.
  void keep(const Submission& submission, std::function<void(StoreStatus)> done);
  // When it has not failed, to be called once that commit has ended.
  void release(const Submission& submission, AcceptEnd end);
  // What is left over when the process ends before that is an orphan, which the next start removes.
  void remove(mail::QueueId id);
  // While a snapshot is made, files of settled messages stay (snapshot.h).
  void keep_files(bool keep);
  // After the jobs that wait; what they complete may still write to the store.
  void finish();

  // Null: the queue is this machine's alone.
  const SharedContents* shared() const { return shared_.get(); }
  const ContentFolder& files() const { return files_; }
  ContentWorker& worker() { return worker_; }

 private:
  void share(const Submission& submission, std::function<void(StoreStatus)> done);

  ContentFolder files_;
  StoreService& store_;
  std::unique_ptr<SharedContents> shared_;
  ContentWorker worker_;
  bool keep_ = false;
  bool finished_ = false;
  std::vector<mail::QueueId> kept_;  // to be removed afterwards
};

}  // namespace postwain::qmgr
