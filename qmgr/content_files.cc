#include "qmgr/content_files.h"

#include <cerrno>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postwain::qmgr {

Status ContentFolder::create() {
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) return system_error(path_, errno);
  return {};
}

Result<std::string> ContentFolder::read(mail::QueueId id, std::uint64_t offset,
                                        std::size_t length) const {
  std::string name = file_of(id);
  UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return system_error(name, errno);
  std::string bytes(length, '\0');
  std::size_t have = 0;
  while (have < length) {
    ssize_t n =
        ::pread(fd.get(), bytes.data() + have, length - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(name, errno);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  bytes.resize(have);
  return bytes;
}

Status ContentFolder::remove(mail::QueueId id) const {
  std::string name = file_of(id);
  if (::unlink(name.c_str()) != 0 && errno != ENOENT) return system_error(name, errno);
  return {};
}

Result<std::size_t> ContentFolder::sweep(
    const std::function<Result<bool>(mail::QueueId)>& known) const {
  DIR* folder = ::opendir(path_.c_str());
  if (folder == nullptr) return system_error(path_, errno);
  std::vector<std::string> orphans;
  Status trouble;
  while (const dirent* entry = ::readdir(folder)) {
    std::string name = entry->d_name;
    if (name.front() == '.') continue;
    auto id = mail::QueueId::parse(name);
    if (!id && !(name.size() > 5 && name.substr(name.size() - 5) == ".part")) continue;
    if (id) {
      Result<bool> found = known(*id);
      if (!found) trouble = found.error();
      if (!found) break;
      if (*found) continue;
    }
    orphans.push_back(std::move(name));
  }
  ::closedir(folder);
  if (!trouble) return trouble.error();
  for (const std::string& name : orphans) ::unlink((path_ + "/" + name).c_str());
  return orphans.size();
}

Result<ContentFile> ContentFile::create(const ContentFolder& folder, mail::QueueId id) {
  std::string name = folder.file_of(id);
  std::string part = name + ".part";
  UniqueFd fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(part, errno);
  return ContentFile(folder.path(), std::move(name), std::move(fd));
}

ContentFile::~ContentFile() {
  if (fd_) ::unlink(part().c_str());
}

Status ContentFile::append(std::string_view bytes) {
  if (Status s = write_all(fd_.get(), bytes); !s)
    return Error{part() + ": " + s.error().text, s.error().code};
  size_ += bytes.size();
  return {};
}

Status ContentFile::finish() {
  if (::fdatasync(fd_.get()) != 0) return system_error(part() + ": sync", errno);
  // link, not rename: a file that is there already must not be replaced. It is the same content
  // submitted again, or somebody else's under a repeated id.
  existed_ = false;
  if (::link(part().c_str(), name_.c_str()) != 0) {
    int number = errno;
    struct stat info;
    if (number != EEXIST || ::stat(name_.c_str(), &info) != 0 ||
        static_cast<std::uint64_t>(info.st_size) != size_)
      return system_error(name_, number);
    existed_ = true;
  }
  if (::unlink(part().c_str()) != 0) return system_error(part(), errno);
  int fd = fd_.release();
  if (::close(fd) != 0) return system_error(name_ + ": close", errno);
  UniqueFd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error(folder_, errno);
  if (::fsync(folder.get()) != 0) return system_error(folder_ + ": sync", errno);
  return {};
}

}  // namespace postwain::qmgr
