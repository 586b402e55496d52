#include "common/base/file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace postwain {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int UniqueFd::release() {
  int fd = fd_;
  fd_ = -1;
  return fd;
}

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error system_error(std::string_view what, int number) {
  char buffer[128];
  return Error{fmt::format("{}: {}", what, strerror_r(number, buffer, sizeof buffer)), number};
}

Result<std::string> read_small_fd(int fd, std::size_t max_bytes) {
  std::string bytes;
  char block[16384];
  for (;;) {
    ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read", errno);
    if (n == 0) return bytes;
    bytes.append(block, static_cast<std::size_t>(n));
    if (bytes.size() > max_bytes)
      return Error{fmt::format("larger than {} bytes", max_bytes), EFBIG};
  }
}

Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error(path, errno);
  Result<std::string> bytes = read_small_fd(fd.get(), max_bytes);
  if (!bytes) return Error{path + ": " + bytes.error().text, bytes.error().code};
  return bytes;
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::uint64_t> copy_file(const std::string& from, const std::string& to,
                                const std::function<void(std::size_t)>& on_bytes) {
  UniqueFd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!in) return system_error(from, errno);
  UniqueFd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return system_error(to, errno);
  constexpr std::size_t kBlock = 256U << 10;
  std::string block(kBlock, '\0');
  std::uint64_t copied = 0;
  for (;;) {
    ssize_t n = ::read(in.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(from, errno);
    if (n == 0) break;
    auto size = static_cast<std::size_t>(n);
    if (Status s = write_all(out.get(), {block.data(), size}); !s)
      return Error{to + ": " + s.error().text, s.error().code};
    copied += size;
    if (on_bytes) on_bytes(size);
  }
  if (::fsync(out.get()) != 0) return system_error(to + ": sync", errno);
  return copied;
}

Status sync_folder(const std::string& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error(path, errno);
  if (::fsync(folder.get()) != 0) return system_error(path + ": sync", errno);
  return {};
}

Result<std::string> real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return system_error(path, errno);
  std::string out = resolved;
  std::free(resolved);
  return out;
}

}  // namespace postwain
