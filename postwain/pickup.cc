#include "postwain/pickup.h"

#include <cerrno>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "postwain/drop_file.h"
#include "postwain/submission.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kNameSize = 32;
constexpr std::string_view kRefusedEnd = ".refused";

bool is_drop_name(std::string_view name) {
  return name.size() == kNameSize &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// As many names as one look deals with; the rest has its turn at the next.
std::vector<std::string> names_in(DIR* folder) {
  std::vector<std::string> out;
  ::rewinddir(folder);
  constexpr std::size_t kLookedAtMax = 100'000;
  for (std::size_t i = 0; i < kLookedAtMax && out.size() < kPickupAtOnce; ++i) {
    const dirent* entry = ::readdir(folder);
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  return out;
}

// The file from here on as content.
class Content {
 public:
  Content(int file, std::string begun) : file_(file), begun_(std::move(begun)) { look(begun_); }

  std::string take_begun() { return std::exchange(begun_, {}); }
  Result<bool> more(std::string& out) {
    char block[32768];
    ssize_t n = 0;
    do n = ::read(file_, block, sizeof block);
    while (n < 0 && errno == EINTR);
    if (n < 0) return system_error("read", errno);
    std::string_view bytes(block, static_cast<std::size_t>(n));
    look(bytes);
    out += bytes;
    return n > 0;
  }
  bool eight_bit() const { return eight_bit_; }

 private:
  void look(std::string_view bytes) { eight_bit_ = eight_bit_ || !is_ascii(bytes); }

  int file_;
  std::string begun_;
  bool eight_bit_ = false;
};

// Reads up to the end of the head; what was read beyond it comes as well.
Result<std::string> read_head(int file, std::string& beyond) {
  std::string text;
  char block[32768];
  for (;;) {
    ssize_t n = 0;
    do n = ::read(file, block, sizeof block);
    while (n < 0 && errno == EINTR);
    if (n < 0) return system_error("read", errno);
    text.append(block, static_cast<std::size_t>(n));
    std::size_t size = drop_head_size(text);
    if (size > 0) {
      beyond = text.substr(size);
      text.resize(size);
      return text;
    }
    if (n == 0 || text.size() > kDropHeadMax) return Error{"it is no message that sendmail left"};
  }
}

}  // namespace

Pickup::Pickup(net::Loop& loop, const config::Config& config) : config_(config), timer_(loop) {
  timer_.start(Duration::zero(), [this] { look(); });
}

void Pickup::look() {
  Duration next = kPickupEvery;
  std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(config_.drop_dir.c_str()), &::closedir);
  if (folder == nullptr) {
    log::Line(log::Level::warning, "drop_folder")
        .kv("error", system_error(config_.drop_dir, errno).text);
    next = kPickupPause;
  } else {
    for (const std::string& name : names_in(folder.get()))
      if (look_at(::dirfd(folder.get()), name) == End::later) {
        next = kPickupPause;
        break;
      }
  }
  timer_.start(next, [this] { look(); });
}

Pickup::End Pickup::look_at(int folder, const std::string& name) {
  if (!is_drop_name(name)) {
    remove_if_old(folder, name, ends_with(name, kRefusedEnd) ? kRefusedMax : kUnfinishedMax);
    return End::done;
  }
  // A named pipe must not make us wait, a link not lead us elsewhere.
  UniqueFd file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!file && errno == ENOENT) return End::done;
  if (!file || ::fstat(file.get(), &info) != 0) {
    refuse(folder, name, 0, "it cannot be opened: " + system_error(name, errno).text);
    return End::done;
  }
  const char* wrong = !S_ISREG(info.st_mode) ? "it is no regular file"
                      : info.st_nlink != 1   ? "it has another name elsewhere"
                                             : nullptr;
  if (wrong == nullptr) return take(folder, name, file.get(), info.st_uid);
  refuse(folder, name, info.st_uid, wrong);
  return End::done;
}

Pickup::End Pickup::take(int folder, const std::string& name, int file, std::uint32_t owner) {
  std::string beyond;
  Result<std::string> text = read_head(file, beyond);
  Result<DropHead> head = text ? parse_drop_head(*text) : Result<DropHead>(text.error());
  if (!head) {
    refuse(folder, name, owner, head.error().text);
    return End::done;
  }
  if (head->envelope.recipients.size() > config_.limits.recipients) {
    refuse(folder, name, owner, "too many recipients");
    return End::done;
  }
  Content content(file, std::move(beyond));
  SubmissionSource source;
  // Ids of the drop folder stand apart, so none can be that of a message on its way elsewhere.
  source.id = head->id.with_worker(mail::kDropWorker);
  source.owner = owner;
  source.envelope = head->envelope;
  source.arrival = head->arrival;
  source.size_max = config_.limits.message_size;
  source.head = [&](mail::QueueId) { return content.take_begun(); };
  source.more = [&](std::string& out) { return content.more(out); };
  source.eight_bit = [&] { return content.eight_bit(); };
  auto reply = submit(config_.qmgr_socket(), source);
  if (!reply && reply.error().code == kExitDataError) {
    refuse(folder, name, owner, reply.error().text);
    return End::done;
  }
  if (!reply || (!reply->positive() && !reply->permanent())) return End::later;
  if (!reply->positive()) {
    refuse(folder, name, owner, reply->one_line());
    return End::done;
  }
  log::Line(log::Level::info, "picked_up")
      .kv("id", head->id.text())
      .kv("account", head->arrival.account)
      .kv("uid", owner)
      .kv("recipients", head->envelope.recipients.size());
  if (::unlinkat(folder, name.c_str(), 0) == 0) return End::done;
  log::Line(log::Level::error, "drop_folder").kv("error", system_error(name, errno).text);
  return End::later;
}

// Kept for the operator for a while, under a name that is not looked at again.
void Pickup::refuse(int folder, const std::string& name, std::uint32_t owner,
                    const std::string& why) {
  log::Line(log::Level::error, "drop_refused")
      .kv("file", config_.drop_dir + "/" + name + std::string(kRefusedEnd))
      .kv("uid", owner)
      .kv("reason", why);
  std::string kept = name + std::string(kRefusedEnd);
  // Links and the like are nothing to be kept.
  struct stat info {};
  bool regular = ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                 S_ISREG(info.st_mode) && info.st_nlink == 1;
  if (regular && ::renameat(folder, name.c_str(), folder, kept.c_str()) == 0) return;
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno == EISDIR)
    (void)::unlinkat(folder, name.c_str(), AT_REMOVEDIR);
}

void Pickup::remove_if_old(int folder, const std::string& name, Duration age) {
  struct stat info {};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  auto changed = std::chrono::system_clock::from_time_t(info.st_ctime);
  if (wall_now() - changed < age) return;
  (void)::unlinkat(folder, name.c_str(), S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0);
}

}  // namespace postwain::tool
