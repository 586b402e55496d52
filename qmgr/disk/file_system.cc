#include "qmgr/disk/file_system.h"

#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::qmgr {

namespace {

class RealOutput final : public OutputFile {
 public:
  RealOutput(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Status append(std::string_view bytes) override {
    if (Status s = write_all(fd_.get(), bytes); !s)
      return Error{path_ + ": " + s.error().text, s.error().code};
    return {};
  }
  Result<UniqueFd> lend() override {
    UniqueFd other(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!other) return system_error(path_, errno);
    return other;
  }
  Result<std::uint64_t> size() override {
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) return system_error(path_, errno);
    return static_cast<std::uint64_t>(info.st_size);
  }
  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return system_error(path_ + ": sync", errno);
    return {};
  }
  // By the descriptor, where the system lets us (Linux 6.10), else by its place in /proc.
  Status name_as(const std::string& path) override {
    if (::linkat(fd_.get(), "", AT_FDCWD, path.c_str(), AT_EMPTY_PATH) != 0) {
      if (errno == EEXIST) return system_error(path, errno);
      std::string place = "/proc/self/fd/" + std::to_string(fd_.get());
      if (::linkat(AT_FDCWD, place.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0)
        return system_error(path, errno);
    }
    path_ = path;
    return sync();
  }
  Status close() override {
    if (::close(fd_.release()) != 0) return system_error(path_ + ": close", errno);
    return {};
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

class RealFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return system_error(path, errno);
    return std::unique_ptr<OutputFile>(std::make_unique<RealOutput>(path, std::move(fd)));
  }

  Result<std::unique_ptr<OutputFile>> create_unnamed(const std::string& folder) override {
    UniqueFd fd(::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
    // A kernel that does not know it takes it for an attempt to write into a folder.
    if (!fd) return system_error(folder, errno == EISDIR ? EOPNOTSUPP : errno);
    return std::unique_ptr<OutputFile>(
        std::make_unique<RealOutput>(folder + "/(unnamed)", std::move(fd)));
  }

  Result<std::string> read(const std::string& path, std::uint64_t offset,
                           std::size_t length) override {
    Result<UniqueFd> fd = open(path);
    if (!fd) return fd.error();
    std::string bytes(length, '\0');
    std::size_t have = 0;
    while (have < length) {
      ssize_t n =
          ::pread(fd->get(), bytes.data() + have, length - have, static_cast<off_t>(offset + have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error(path, errno);
      if (n == 0) break;
      have += static_cast<std::size_t>(n);
    }
    bytes.resize(have);
    return bytes;
  }

  Result<UniqueFd> open(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return system_error(path, errno);
    return fd;
  }

  Result<std::uint64_t> size(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return system_error(path, errno);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Status link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return system_error(to, errno);
    return {};
  }

  Status unlink(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return system_error(path, errno);
    return {};
  }

  Status make_folder(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0) return system_error(path, errno);
    return {};
  }

  Status sync_folder(const std::string& path) override { return ::postwain::sync_folder(path); }

  Result<std::vector<std::string>> names(const std::string& path) override {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return system_error(path, errno);
    std::vector<std::string> found;
    while (const dirent* entry = ::readdir(folder)) found.emplace_back(entry->d_name);
    ::closedir(folder);
    return found;
  }
};

}  // namespace

FileSystem& FileSystem::real() {
  static RealFileSystem system;
  return system;
}

}  // namespace postwain::qmgr
