// A disk in memory that can lose power and fail, for tests of what must survive. It keeps two
// things: what programs see (names, files), and the log of every call that changes something.
// From any prefix of the log it builds disks as a power cut at that moment may leave them:
//
// - bytes written before a sync of their file are there; each later write is there, not there, or
//   torn at 512 or 4096 bytes; a file may be longer than what reached it, with zeros or rubbish;
// - names made or removed before a sync of their folder are as they were made; each later change of
//   a name has happened or not, independently of the others;
// - what a failed sync was to write is there or gone for good, whatever later syncs say (Linux);
// - what was synced while a file had no name is not safe before it is synced with one (btrfs).
//
// Bytes outside the range of a write are never harmed (powersafe overwrite, which SQLite relies on
// too). Faults: the k-th call fails with EIO or ENOSPC. Two seams speak to it: sqlite_vfs.h for the
// database and files.h for content files. Calls may come from several threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::simdisk {

using Random = std::mt19937_64;
using Inode = std::uint32_t;

enum class Call : std::uint8_t {
  create,  // a new, empty file under a name, or without one
  write,
  truncate,
  sync,
  failed_sync,
  link,
  unlink,
  make_folder,
  sync_folder,
};

struct Entry {
  Call call;
  Inode inode = 0;
  std::uint64_t offset = 0;  // truncate: the new size
  std::string text;          // bytes, or the name
};

// Files and names as they are at one moment, and also as they lie on the platter.
struct Image {
  std::map<Inode, std::string> files;
  std::map<std::string, Inode> names;  // folders have an inode without a file
};

// no_space: what makes a file grow or a new name fails; no_space_at_sync: on file systems that look
// for room as late as that.
enum class Fault : std::uint8_t { none, io_error, no_space, no_space_at_sync };

class Disk {
 public:
  Disk() : Disk(Image{}) {}
  explicit Disk(Image image);

  // Programs' calls; 0 or an errno. A path's folder must exist.
  int open(const std::string& path, bool create, bool truncate, Inode& inode);
  int open_unnamed(const std::string& folder, Inode& inode);  // a new file without a name
  int write(Inode inode, std::uint64_t offset, std::string_view bytes);
  int truncate(Inode inode, std::uint64_t size);
  int sync(Inode inode);
  int link(const std::string& from, const std::string& to);
  int link(Inode inode, const std::string& to);
  int unlink(const std::string& path);
  int make_folder(const std::string& path);
  int sync_folder(const std::string& path);
  int read(Inode inode, std::uint64_t offset, std::size_t length, std::string& bytes);
  std::optional<std::uint64_t> size(Inode inode);
  bool exists(const std::string& path);
  std::vector<std::string> names(const std::string& folder);

  // Fails the k-th call from now (1 is the next), for `times` calls in a row. Only calls that can
  // fail in this way count.
  void fail(Fault fault, std::uint64_t k, std::uint64_t times = 1);
  bool failed() const;  // a fault has been met since fail()
  void heal() { fail(Fault::none, 0); }
  // The program is gone: nothing reaches the disk any more.
  void freeze();

  std::size_t position() const;  // length of the log
  Image seen() const;            // what a killed program leaves: everything written
  const Image& first() const { return first_; }
  const std::vector<Entry>& log() const { return log_; }  // while nobody calls

 private:
  enum class Need : std::uint8_t { nothing, space, sync };
  Fault fault_for(Need need);
  Inode* find(const std::string& path);
  int give_name(Inode inode, const std::string& to);
  void note(Entry entry);

  mutable std::mutex mutex_;
  Image first_;
  Image now_;
  std::vector<Entry> log_;
  Inode next_ = 1;
  Fault fault_ = Fault::none;
  std::uint64_t fault_in_ = 0;
  std::uint64_t fault_times_ = 0;
  bool failed_ = false;
  bool frozen_ = false;
  Random random_{1};
};

std::string folder_of(const std::string& path);

}  // namespace postwain::simdisk
