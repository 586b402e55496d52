// Reading the content of a queued message, whichever form it has (MessageInfo): what the store
// keeps of it, and behind that what lies in its file. Nothing here blocks: the store's thread and
// those of the content files do the work, and the answer comes later, on the loop. What cannot be
// read is logged (content_unreadable).
//
// A file that is missing here is made first where the store has its octets (shared_contents.h).
//
// It keeps no state: one is made where it is used, and may be gone before the answer comes. Store,
// worker, folder and shared contents belong to the queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/base/file.h"
#include "common/base/result.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/disk/content_worker.h"
#include "qmgr/model/message.h"
#include "qmgr/shared/shared_contents.h"
#include "qmgr/store/store_service.h"

namespace postwain::qmgr {

// Content whose body is a file: what goes before the file, and the file, for reading.
struct OpenContent {
  std::string head;  // empty where all of it lies in the file
  UniqueFd file;
};

class ContentReader {
 public:
  // shared: null where the files are all there is.
  ContentReader(StoreService& store, ContentWorker& worker, const ContentFolder& files,
                SharedContents* shared)
      : store_(store), worker_(worker), files_(files), shared_(shared) {}

  // Nothing: it cannot be read, or not all of what should be there.
  using OnBytes = std::function<void(std::optional<std::string>)>;
  // Up to `length` octets from `offset` on.
  void read(const MessageInfo& info, std::uint64_t offset, std::size_t length, OnBytes done);

  // Why not, if it cannot be opened or has another size than it should (is_temporary: try again).
  using OnOpen = std::function<void(Result<OpenContent>)>;
  // Of a message whose body is a file. head: what goes before the file, where it is in memory.
  void open(const MessageInfo& info, std::optional<std::string> head, OnOpen done);

 private:
  void read_stored(mail::QueueId id, std::uint64_t offset, std::size_t length, OnBytes done);
  void read_file(mail::QueueId id, std::uint64_t size, std::uint64_t offset, std::size_t length,
                 OnBytes done);
  void open_file(mail::QueueId id, std::uint64_t size, std::string head, OnOpen done);
  void open_there(mail::QueueId id, std::uint64_t size, std::string head, OnOpen done);
  // Once the file is there, or what has kept it from that.
  using OnThere = std::function<void(const Status&)>;
  void make_sure(mail::QueueId id, std::uint64_t size, OnThere done);

  StoreService& store_;
  ContentWorker& worker_;
  ContentFolder files_;
  SharedContents* shared_;
};

}  // namespace postwain::qmgr
