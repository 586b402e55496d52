// The pages of a SQLite database file, read without SQLite: for salvage from a file that SQLite
// refuses. What the write-ahead log holds of committed pages counts; everything read is doubted.
// File format: sqlite.org/fileformat2.html.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "common/base/file.h"
#include "common/base/result.h"

namespace postwain::qmgr {

constexpr std::uint32_t kPageSize = 4096;  // of every database of ours

class PageSource {
 public:
  // The log beside the file (path + "-wal") may be missing.
  static Result<PageSource> open(const std::string& path);

  std::uint32_t pages() const { return pages_; }
  // kPageSize bytes; what is behind the end of a shortened file is zero.
  Result<std::string> read(std::uint32_t number) const;

  // Pages that hold nothing any more, as far as the list of them can be read. Rows of settled mail
  // are still on them.
  const std::unordered_set<std::uint32_t>& free_pages() const { return free_; }
  bool free_list_known() const { return free_known_; }
  // Pages of pointers, which auto_vacuum keeps between the others.
  static bool is_pointer_map(std::uint32_t number);
  std::size_t pages_of_log() const { return in_log_.size(); }

 private:
  PageSource() = default;
  void read_log(const std::string& path);
  void read_free_list();

  UniqueFd file_;
  UniqueFd log_;
  std::uint32_t pages_ = 0;
  std::unordered_map<std::uint32_t, std::uint64_t> in_log_;  // page to its place in the log
  std::unordered_set<std::uint32_t> free_;
  bool free_known_ = false;
};

}  // namespace postwain::qmgr
