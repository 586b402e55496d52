#include "filter/scratch_file.h"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace postwain::filter {

namespace {

off_t place_of(std::uint32_t block, std::size_t at) {
  return static_cast<off_t>(block) * static_cast<off_t>(ScratchFile::kBlock) +
         static_cast<off_t>(at);
}

}  // namespace

Status ScratchFile::open(const std::string& folder) {
  file_ = UniqueFd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file_) return {};
  // Not each file system knows files without a name.
  std::string path = folder + "/postwain-filter-XXXXXX";
  file_ = UniqueFd(::mkostemp(path.data(), O_CLOEXEC));
  if (!file_) return system_error(folder, errno);
  if (::unlink(path.c_str()) != 0) return system_error(path, errno);
  return {};
}

Result<std::uint32_t> ScratchFile::take() {
  if (!file_) return Error{"there is no scratch file for large bodies"};
  if (!free_.empty()) return free_.extract(free_.begin()).value();
  if (next_ >= kBlocksMax) return Error{"the scratch file for large bodies is full"};
  return next_++;
}

Status ScratchFile::write(std::uint32_t block, std::size_t at, std::string_view octets) {
  while (!octets.empty()) {
    ssize_t n = ::pwrite(file_.get(), octets.data(), octets.size(), place_of(block, at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return system_error("scratch file", errno);
    octets.remove_prefix(static_cast<std::size_t>(n));
    at += static_cast<std::size_t>(n);
  }
  return {};
}

Result<std::string> ScratchFile::read(std::uint32_t block, std::size_t at,
                                      std::size_t count) const {
  std::string out(count, '\0');
  std::size_t have = 0;
  while (have < count) {
    ssize_t n = ::pread(file_.get(), out.data() + have, count - have, place_of(block, at + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("scratch file", errno);
    if (n == 0) return Error{"the scratch file is too short"};
    have += static_cast<std::size_t>(n);
  }
  return out;
}

}  // namespace postwain::filter
