// Reading the content of a queued message, whichever form it has (MessageInfo): what the store
// keeps of it, and behind that what lies in its file. Nothing here blocks: the store's thread and
// those of the content files do the work, and the answer comes later, on the loop. What cannot be
// read is logged (content_unreadable).
//
// It keeps no state: one is made where it is used, and may be gone before the answer comes. Store,
// worker and folder belong to the queue.
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
#include "qmgr/store/store_service.h"

namespace postwain::qmgr {

// Content whose body is a file: what goes before the file, and the file, for reading.
struct OpenContent {
  std::string head;  // empty where all of it lies in the file
  UniqueFd file;
};

class ContentReader {
 public:
  ContentReader(StoreService& store, ContentWorker& worker, const ContentFolder& files)
      : store_(store), worker_(worker), files_(files) {}

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
  void read_file(mail::QueueId id, std::uint64_t offset, std::size_t length, OnBytes done);
  void open_file(mail::QueueId id, std::uint64_t size, std::string head, OnOpen done);

  StoreService& store_;
  ContentWorker& worker_;
  ContentFolder files_;
};

}  // namespace postwain::qmgr
