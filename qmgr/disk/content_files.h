// Bodies too large for a row: one file for each message in content/ of the spool. (Some files hold
// the header section, too: MessageInfo.)
//
// Order that the guarantee rests on: the bytes are synced, the file gets its name, the folder is
// synced, and only then the message's row commits. Removal is the other way round: first the commit
// that deletes the row, then the file. What a crash leaves behind is therefore only a file nobody
// refers to; sweep() removes those at start.
//
// Every function here blocks and belongs on a thread of its own (content_worker.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/mail/queue_id.h"

#include "qmgr/disk/file_system.h"

namespace postwain::qmgr {

class ContentFolder {
 public:
  ContentFolder() = default;
  explicit ContentFolder(std::string path, FileSystem& disk = FileSystem::real())
      : path_(std::move(path)), disk_(&disk) {}

  // Makes the folder if it is not there; its name is synced afterwards. Finds out what it can do:
  // before any copy of this object is made.
  Status create();
  Result<std::string> read(mail::QueueId id, std::uint64_t offset, std::size_t length) const;
  // For reading, by another process too. Fails when it is not of that size.
  Result<UniqueFd> open(mail::QueueId id, std::uint64_t size) const;
  Status remove(mail::QueueId id) const;
  // The file of one message becomes that of others, too; their names are synced.
  Status share(mail::QueueId id, const std::vector<mail::QueueId>& others) const;
  // Removes unfinished files and those of messages that are not known; tells how many.
  Result<std::size_t> sweep(const std::function<Result<bool>(mail::QueueId)>& known) const;

  std::string file_of(mail::QueueId id) const { return path_ + "/" + id.text(); }
  const std::string& path() const { return path_; }
  FileSystem& disk() const { return *disk_; }
  // Files can be made here without a name (create() has tried it).
  bool takes_unnamed() const { return unnamed_; }

 private:
  bool try_unnamed() const;

  std::string path_;
  FileSystem* disk_ = &FileSystem::real();
  bool unnamed_ = false;
};

// Said of a failure with that errno: descriptors or memory have run out, and the file is as it was.
bool is_temporary(int number);

// A content file being written. Until it is whole nobody else can find it: it has no name, or one
// that is random and new, and so no other message's writer gets hold of it, whatever id he says.
// Destroying it before finish() removes what was written; what a crash leaves is swept at the
// start.
class ContentFile {
 public:
  static Result<ContentFile> create(const ContentFolder& folder, mail::QueueId id);
  ContentFile(ContentFile&& other) noexcept = default;
  ContentFile& operator=(ContentFile&&) = delete;
  ~ContentFile();

  Status append(std::string_view bytes);
  // For another process, which appends instead of us.
  Result<UniqueFd> lend();
  // Synced, named, and the name synced; of exactly that size, or it fails with EMSGSIZE.
  Status finish(std::uint64_t size);
  // After finish(): the same content was there before (a transaction submitted twice).
  bool existed() const { return existed_; }

 private:
  ContentFile(const ContentFolder& folder, std::string name, std::string part,
              std::unique_ptr<OutputFile> output)
      : folder_(folder),
        name_(std::move(name)),
        part_(std::move(part)),
        output_(std::move(output)) {}
  Status give_name();

  ContentFolder folder_;
  std::string name_;  // with folder
  std::string part_;  // the name until then; empty: it has none
  std::unique_ptr<OutputFile> output_;
  bool existed_ = false;
};

}  // namespace postwain::qmgr
