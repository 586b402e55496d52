#include "postwain/client/drop.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "postwain/client/drop_file.h"
#include "postwain/process/trust.h"

namespace postwain::tool {

namespace {

Error cannot(const std::string& what, int number) {
  // Whatever it is, the caller has the message and can try again.
  return Error{"cannot leave the message for later: " + system_error(what, number).text,
               kExitTempFail};
}

// Removed when the message did not become whole.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)) {
    fd_ =
        UniqueFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    made_ = static_cast<bool>(fd_);
    // Whoever picks it up is another user; the umask must not hide it from him.
    if (made_ && ::fchmod(fd_.get(), 0644) != 0) fd_.reset();
  }
  ~NewFile() {
    if (made_) ::unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int fd() const { return fd_.get(); }
  bool ok() const { return static_cast<bool>(fd_); }
  // Everything is on the disk, and so is the name: the folder cannot be opened by us, so its file
  // system is synced.
  bool finish(const std::string& name) {
    if (::fsync(fd_.get()) != 0 || ::rename(path_.c_str(), name.c_str()) != 0) return false;
    path_ = name;
    if (::syncfs(fd_.get()) != 0) return false;
    made_ = false;
    return true;
  }

 private:
  std::string path_;
  UniqueFd fd_;
  bool made_ = false;
};

Status write_content(int fd, const SubmissionSource& source, mail::QueueId id) {
  std::string content = source.head(id);
  std::uint64_t size = content.size();
  for (bool more = true; more;) {
    if (Status s = write_all(fd, content); !s)
      return Error{"cannot leave the message for later: " + s.error().text, kExitTempFail};
    content.clear();
    Result<bool> read = source.more(content);
    if (!read) return read.error();
    more = *read;
    size += content.size();
    if (size > source.size_max)
      return Error{
          fmt::format("the message is larger than the {} bytes this system takes", source.size_max),
          kExitDataError};
  }
  if (Status s = write_all(fd, content); !s)
    return Error{"cannot leave the message for later: " + s.error().text, kExitTempFail};
  return {};
}

}  // namespace

Status drop(const config::Config& config, const SubmissionSource& source) {
  std::set<uid_t> trusted = trusted_users(config, Kind::pickup, "drop_dir");
  if (Status ours = check_folder(config.drop_dir, trusted, OthersMayAdd::yes); !ours)
    return Error{"cannot leave the message for later: " + ours.error().text,
                 ours.error().code == ENOENT ? kExitTempFail : kExitCantCreate};
  std::uint32_t random[5];
  if (::getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random))
    return cannot("getrandom", errno);
  std::string name = fmt::format("{}/{:08x}{:08x}{:08x}{:08x}", config.drop_dir, random[0],
                                 random[1], random[2], random[3]);
  NewFile file(name + ".new");
  if (!file.ok()) return cannot(config.drop_dir, errno);
  DropHead head{drop_id(wall_now(), random[4]), source.envelope, source.arrival};
  if (Status s = write_all(file.fd(), encode_drop_head(head)); !s)
    return Error{"cannot leave the message for later: " + s.error().text, kExitTempFail};
  if (Status s = write_content(file.fd(), source, head.id); !s) return s;
  if (!file.finish(name)) return cannot(name, errno);
  return {};
}

}  // namespace postwain::tool
