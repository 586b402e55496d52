// What content files need of a file system, and nothing more. The real one is the operating
// system; a test puts a disk in memory in its place that can lose power (tests/simdisk). The
// database has the same seam in SQLite's VFS (SqliteStore::open).
//
// Every call may block and be made on any thread. A failure carries the errno.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"
#include "common/base/result.h"

namespace postwain::qmgr {

// A file being written from its beginning. Destroying it closes it; one that never got a name is
// gone then.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  virtual Status append(std::string_view bytes) = 0;
  // The same file for another process, to append to it; ours knows only its size and syncs it.
  virtual Result<UniqueFd> lend() = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Status sync() = 0;  // the bytes and the size, not the name
  // Its name, for one that was made without. EEXIST: something has that name. The bytes are synced
  // once more: a file system may keep nothing of what was synced before there was a name (btrfs).
  virtual Status name_as(const std::string& path) = 0;
  virtual Status close() = 0;  // once; reports what was not reported before
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // A new file of that name; EEXIST.
  virtual Result<std::unique_ptr<OutputFile>> create(const std::string& path) = 0;
  // A new file in that folder that has no name, so nobody can find it, before name_as. EOPNOTSUPP
  // where the file system, or the system, cannot do so.
  virtual Result<std::unique_ptr<OutputFile>> create_unnamed(const std::string& folder) = 0;
  // Fewer bytes at the end of the file.
  virtual Result<std::string> read(const std::string& path, std::uint64_t offset,
                                   std::size_t length) = 0;
  virtual Result<UniqueFd> open(const std::string& path) = 0;  // for reading, for another process
  virtual Result<std::uint64_t> size(const std::string& path) = 0;
  virtual Status link(const std::string& from, const std::string& to) = 0;  // EEXIST
  virtual Status unlink(const std::string& path) = 0;
  virtual Status make_folder(const std::string& path) = 0;  // EEXIST
  virtual Status sync_folder(const std::string& path) = 0;  // the names in it
  virtual Result<std::vector<std::string>> names(const std::string& folder) = 0;

  static FileSystem& real();
};

}  // namespace postwain::qmgr
