#include "qmgr/disk/ballast.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

#include "qmgr/disk/failpoint.h"

namespace postwain::qmgr {

std::uint64_t Ballast::size_for(std::uint64_t total_bytes) {
  return std::min<std::uint64_t>(64ULL << 20, total_bytes / 20) & ~std::uint64_t{4095};
}

bool Ballast::there() const {
  return ::access(path_.c_str(), F_OK) == 0;
}

Status Ballast::make(std::uint64_t size) const {
  if (Status s = failpoint(Failpoint::ballast_write); !s) return s;
  std::string part = path_ + ".part";
  UniqueFd fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(part, errno);
  // Really allocated, not a hole.
  int failed = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size));
  if (failed == 0 && ::fsync(fd.get()) != 0) failed = errno;
  if (failed == 0 && ::rename(part.c_str(), path_.c_str()) != 0) failed = errno;
  if (failed == 0) return {};
  (void)::unlink(part.c_str());
  return system_error(path_, failed);
}

Status Ballast::release() const {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return system_error(path_, errno);
  return {};
}

Status reserve_blocks(const std::string& path, std::uint64_t size) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return system_error(path, errno);
  if (::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0)
    return system_error(path, errno);
  return {};
}

Status check_writable(const std::string& folder) {
  std::string path = folder + "/probe";
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno == ENOSPC ? Status() : Status(system_error(path, errno));
  std::string block(4096, 'p');
  Status done = write_all(fd.get(), block);
  if (done && ::fsync(fd.get()) != 0) done = system_error(path, errno);
  (void)::unlink(path.c_str());
  if (!done && done.error().code != ENOSPC && done.error().code != EDQUOT) return done;
  return {};
}

}  // namespace postwain::qmgr
