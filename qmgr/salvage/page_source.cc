#include "qmgr/salvage/page_source.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/model/big_endian.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kLogHeader = 32;
constexpr std::size_t kFrameHeader = 24;
constexpr std::uint32_t kLogMagic = 0x377F0682;  // its last bit: checksums of big-endian words

bool read_at(int fd, std::uint64_t offset, char* out, std::size_t size) {
  std::size_t have = 0;
  while (have < size) {
    ssize_t n = ::pread(fd, out + have, size - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    have += static_cast<std::size_t>(n);
  }
  return true;
}

std::uint64_t size_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// The running checksum of the log, over pairs of words.
struct Checksum {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  bool big = false;

  void add(const char* bytes, std::size_t size) {
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
      first += word(bytes + i) + second;
      second += word(bytes + i + 4) + first;
    }
  }
  std::uint32_t word(const char* bytes) const {
    std::uint32_t value = big_endian32(bytes);
    return big ? value : __builtin_bswap32(value);
  }
};

}  // namespace

Result<PageSource> PageSource::open(const std::string& path) {
  PageSource source;
  source.file_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!source.file_) return system_error(path, errno);
  source.pages_ =
      static_cast<std::uint32_t>((size_of(source.file_.get()) + kPageSize - 1) / kPageSize);
  source.read_log(path + "-wal");
  source.read_free_list();
  return source;
}

// Frames count up to the last one that ends a transaction before the first that does not fit.
void PageSource::read_log(const std::string& path) {
  log_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  char header[kLogHeader];
  if (!log_ || !read_at(log_.get(), 0, header, sizeof header)) return;
  if ((big_endian32(header) & ~1U) != kLogMagic || big_endian32(header + 8) != kPageSize) return;
  Checksum sum;
  sum.big = (big_endian32(header) & 1U) != 0;
  sum.add(header, 24);
  if (sum.first != big_endian32(header + 24) || sum.second != big_endian32(header + 28)) return;
  std::unordered_map<std::uint32_t, std::uint64_t> open;  // of the transaction being read
  std::string frame(kFrameHeader + kPageSize, '\0');
  for (std::uint64_t at = kLogHeader; read_at(log_.get(), at, frame.data(), frame.size());
       at += frame.size()) {
    if (frame.compare(8, 8, header + 16, 8) != 0) return;  // the salts: an older log's frame
    sum.add(frame.data(), 8);
    sum.add(frame.data() + kFrameHeader, kPageSize);
    if (sum.first != big_endian32(frame.data() + 16) ||
        sum.second != big_endian32(frame.data() + 20))
      return;
    open[big_endian32(frame.data())] = at + kFrameHeader;
    std::uint32_t pages_after = big_endian32(frame.data() + 4);
    if (pages_after == 0) continue;
    for (const auto& [page, place] : open) in_log_[page] = place;
    open.clear();
    pages_ = pages_after;
  }
}

// Trunk pages name the leaves; a loop or a number that is no page ends the belief in the list.
void PageSource::read_free_list() {
  Result<std::string> first = read(1);
  if (!first || first->compare(0, 15, "SQLite format 3") != 0) return;
  std::uint32_t trunk = big_endian32(first->data() + 32);
  std::uint32_t count = big_endian32(first->data() + 36);
  while (trunk != 0) {
    if (trunk > pages_ || !free_.insert(trunk).second || free_.size() > count) return;
    Result<std::string> page = read(trunk);
    if (!page) return;
    std::uint32_t leaves = big_endian32(page->data() + 4);
    if (leaves > kPageSize / 4 - 2) return;
    for (std::uint32_t i = 0; i < leaves; ++i) {
      std::uint32_t leaf = big_endian32(page->data() + 8 + 4 * std::size_t{i});
      if (leaf == 0 || leaf > pages_) return;
      free_.insert(leaf);
    }
    trunk = big_endian32(page->data());
  }
  free_known_ = free_.size() == count;
}

Result<std::string> PageSource::read(std::uint32_t number) const {
  std::string page(kPageSize, '\0');
  auto logged = in_log_.find(number);
  if (logged != in_log_.end()) {
    if (!read_at(log_.get(), logged->second, page.data(), page.size()))
      return system_error("write-ahead log", EIO);
    return page;
  }
  std::uint64_t offset = std::uint64_t{number - 1} * kPageSize;
  // The last page of a shortened file is there in part.
  for (std::size_t have = 0; have < page.size();) {
    ssize_t n = ::pread(file_.get(), page.data() + have, page.size() - have,
                        static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("database page", errno);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  return page;
}

bool PageSource::is_pointer_map(std::uint32_t number) {
  constexpr std::uint32_t kEntries = kPageSize / 5;  // one for each page that follows
  return number >= 2 && (number - 2) % (kEntries + 1) == 0;
}

}  // namespace postwain::qmgr
