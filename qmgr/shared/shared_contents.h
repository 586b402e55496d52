// The bodies in files of a queue that several machines share: what is accepted here goes into the
// store as pieces, and what is to be delivered here becomes a file again (content_pieces.h). The
// work is done by four threads, so many bodies are under way at once and the others wait. Nothing
// here blocks; answers come on the loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/mail/queue_id.h"
#include "common/net/loop.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/disk/content_worker.h"
#include "qmgr/store/content_pieces.h"

namespace postwain::qmgr {

class SharedContents {
 public:
  SharedContents(net::Loop& loop, ContentFolder files, std::shared_ptr<PieceTransfers> transfers)
      : files_(std::move(files)), transfers_(std::move(transfers)), worker_(loop) {}

  // The body in the file of that message, which is about to be committed, becomes pieces, also
  // under the ids of others that are new. If that does not fail, all these ids are under way until
  // release(). refused: the first one is under way already, or its file cannot be read.
  void keep(mail::QueueId id, std::uint64_t size, std::vector<mail::QueueId> others,
            std::function<void(StoreStatus)> done);
  // The end of that. drop: they were certainly not committed, and their pieces go.
  void release(std::vector<mail::QueueId> ids, bool drop);
  const std::unordered_set<mail::QueueId>& under_way() const { return under_way_; }

  // The file is there and has that size, or why not (make_file). Where the database does not answer
  // that is waited for, kFetchPatience at most.
  void fetch(mail::QueueId id, std::uint64_t size, std::function<void(Status)> done);
  static constexpr Duration kFetchPatience = std::chrono::seconds(10);

  // What waits is given up.
  void finish();
  bool finished() const { return stopping_; }

 private:
  using OnFetched = std::function<void(Status)>;
  Status fetch_now(mail::QueueId id, std::uint64_t size);  // on a thread
  void fetched(mail::QueueId id, const Status& status);

  ContentFolder files_;
  std::shared_ptr<PieceTransfers> transfers_;
  std::atomic<bool> stopping_{false};
  std::unordered_set<mail::QueueId> under_way_;
  std::unordered_map<mail::QueueId, std::vector<OnFetched>> fetching_;
  ContentWorker worker_;
};

}  // namespace postwain::qmgr
