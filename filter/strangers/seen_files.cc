#include "filter/strangers/seen_files.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "filter/deciding/greylist_table.h"

namespace postwain::filter {

namespace {

constexpr std::size_t kFileMax = kSnapshotHead + kGreylistEntriesMax * kSnapshotEntry;
constexpr std::size_t kGenerationAt = 8;

}  // namespace

Status SeenFiles::open(const std::string& folder) {
  std::array<UniqueFd, 2> files;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::string path = folder + "/seen." + std::to_string(i);
    files[i] = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat info {};
    if (!files[i] || ::fstat(files[i].get(), &info) != 0) return system_error(path, errno);
    if (!S_ISREG(info.st_mode)) return Error{path + " is no ordinary file", 0};
  }
  files_ = std::move(files);
  return {};
}

Result<std::string> SeenFiles::read(std::size_t which) const {
  std::string out;
  struct stat info {};
  if (!is_open()) return out;
  if (::fstat(files_[which].get(), &info) != 0) return system_error("fstat", errno);
  out.resize(std::min(static_cast<std::size_t>(info.st_size), kFileMax));
  std::size_t at = 0;
  while (at < out.size()) {
    ssize_t count =
        ::pread(files_[which].get(), out.data() + at, out.size() - at, static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("pread", errno);
    if (count == 0) break;
    at += static_cast<std::size_t>(count);
  }
  out.resize(at);
  return out;
}

std::uint64_t SeenFiles::generation(std::size_t which) const {
  unsigned char octets[8];
  if (!is_open() || ::pread(files_[which].get(), octets, sizeof octets, kGenerationAt) !=
                        static_cast<ssize_t>(sizeof octets))
    return 0;
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < sizeof octets; ++i) out |= std::uint64_t{octets[i]} << (8 * i);
  return out;
}

Status SeenFiles::write(std::size_t which, std::string_view snapshot) const {
  std::size_t at = 0;
  while (is_open() && at < snapshot.size()) {
    ssize_t count = ::pwrite(files_[which].get(), snapshot.data() + at, snapshot.size() - at,
                             static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return system_error("pwrite", errno);
    at += static_cast<std::size_t>(count);
  }
  return {};
}

}  // namespace postwain::filter
