#include "postwain/sendmail/pickup.h"

#include <algorithm>
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
#include "common/config/config.h"
#include "common/ipc/id_in_use.h"
#include "common/log/log.h"
#include "postwain/client/drop_file.h"
#include "postwain/client/submission.h"

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

// The file from here on as content.
class Content {
 public:
  explicit Content(int file) : file_(file) {}

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
  bool eight_bit_ = false;
};

// The head; the content begins behind it.
Result<std::string> read_head(int file) {
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
      text.resize(size);
      return text;
    }
    if (n == 0 || text.size() > kDropHeadMax) return Error{"it is no message that sendmail left"};
  }
}

// qmgr's word for what it has stored: "2.0.0 Ok: queued as ID".
std::string id_in(const mail::Reply& reply) {
  std::size_t space = reply.text.rfind(' ');
  auto id = mail::QueueId::parse(std::string_view(reply.text).substr(space + 1));
  return id ? id->text() : std::string();
}

}  // namespace

Pickup::Pickup(net::Loop& loop, const config::Config& config) : config_(config), timer_(loop) {
  timer_.start(Duration::zero(), [this] { look(); });
}

// However full others have made the folder, it is read to its end: the pause grows with the time
// that takes.
void Pickup::look() {
  MonoTime began = mono_now();
  Duration next = kPickupEvery;
  std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(config_.drop_dir.c_str()), &::closedir);
  if (folder == nullptr) {
    log::Line(log::Level::warning, "drop_folder")
        .kv("error", system_error(config_.drop_dir, errno).text);
    next = kPickupPause;
  } else {
    bool tidy = began >= next_tidy_;
    if (tidy) next_tidy_ = began + kTidyEvery;
    collect(folder.get(), tidy);
    next = std::max(next, (mono_now() - began) * 10);
    if (!look_into(::dirfd(folder.get()))) next = std::max(next, kPickupPause);
  }
  timer_.start(next, [this] { look(); });
}

void Pickup::collect(DIR* folder, bool tidy) {
  MonoTime now = mono_now();
  if (tidy) retries_.keep_only_recent(now);
  while (const dirent* entry = ::readdir(folder)) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (!is_drop_name(name)) {
      if (tidy) remove_if_old(::dirfd(folder), name);
      continue;
    }
    struct stat info {};
    if (!retries_.may_try(name, now) ||
        ::fstatat(::dirfd(folder), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    turns_.add(info.st_uid, std::move(name));
  }
}

bool Pickup::look_into(int folder) {
  for (const std::string& name : turns_.take())
    if (look_at(folder, name) == End::unreachable) return false;
  return true;
}

Pickup::End Pickup::look_at(int folder, const std::string& name) {
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
  if (wrong == nullptr) return take(folder, name, file.get(), info);
  refuse(folder, name, info.st_uid, wrong);
  return End::done;
}

// Ids of the drop folder stand apart, so none can be that of a message on its way elsewhere. Two
// programs can have chosen the same one, since few of its bits are left to chance: the next ones
// are tried then, in the same order after each restart, so that what has been stored is recognised.
Result<mail::Reply> Pickup::submit_file(int file, std::size_t begin, const DropHead& head,
                                        const struct stat& info) {
  constexpr std::uint64_t kCounters = 1U << 12;
  Result<mail::Reply> reply = Error{"not submitted", kExitTempFail};
  for (std::uint64_t shift = 0; shift < kDropIdsTried; ++shift) {
    if (::lseek(file, static_cast<off_t>(begin), SEEK_SET) < 0) return system_error("lseek", errno);
    Content content(file);
    SubmissionSource source;
    source.id = head.id.with_worker(mail::kDropWorker);
    std::uint64_t counter = (source.id.value + shift) % kCounters;
    source.id.value = source.id.value / kCounters * kCounters + counter;
    source.owner = info.st_uid;
    source.envelope = head.envelope;
    source.arrival = head.arrival;
    source.size_max = config_.limits.message_size;
    source.head = [](mail::QueueId) { return std::string(); };
    source.more = [&](std::string& out) { return content.more(out); };
    source.eight_bit = [&] { return content.eight_bit(); };
    reply = submit(config_.qmgr_socket(), source);
    if (!reply || *reply != ipc::id_in_use_reply()) break;
  }
  return reply;
}

Pickup::End Pickup::take(int folder, const std::string& name, int file, const struct stat& info) {
  Result<std::string> text = read_head(file);
  Result<DropHead> head = text ? parse_drop_head(*text) : Result<DropHead>(text.error());
  if (!head) {
    refuse(folder, name, info.st_uid, head.error().text);
    return End::done;
  }
  auto reply = submit_file(file, text->size(), *head, info);
  if (!reply && reply.error().code == kExitDataError) {
    refuse(folder, name, info.st_uid, reply.error().text);
    return End::done;
  }
  if (!reply) return End::unreachable;
  if (!reply->positive() && !reply->permanent()) {
    refused_for_now(folder, name, info, reply->one_line());
    return End::done;
  }
  retries_.forget(name);
  if (!reply->positive()) {
    refuse(folder, name, info.st_uid, reply->one_line());
    return End::done;
  }
  log::Line(log::Level::info, "picked_up")
      .kv("id", id_in(*reply))
      .kv("uid", info.st_uid)
      .kv("recipients", head->envelope.recipients.size());
  put_away(folder, name);
  return End::done;
}

// What lies behind it is not held up.
void Pickup::refused_for_now(int folder, const std::string& name, const struct stat& info,
                             const std::string& reply) {
  auto age = std::chrono::duration_cast<Duration>(
      wall_now() - std::chrono::system_clock::from_time_t(info.st_ctime));
  if (!retries_.refused(name, age, mono_now())) {
    log::Line(log::Level::debug, "drop_waits").kv("file", name).kv("reply", reply);
    return;
  }
  retries_.forget(name);
  refuse(folder, name, info.st_uid, "it was refused for now for too long: " + reply);
}

// It is in the queue. What cannot be removed must not be submitted again and again.
void Pickup::put_away(int folder, const std::string& name) {
  if (::unlinkat(folder, name.c_str(), 0) == 0) return;
  int error = errno;
  std::string aside = name + ".done";
  bool moved = ::renameat(folder, name.c_str(), folder, aside.c_str()) == 0;
  log::Line(log::Level::error, "drop_folder")
      .kv("error", system_error(name, error).text)
      .kv("moved_aside", moved);
  if (!moved) (void)retries_.refused(name, Duration::zero(), mono_now());
}

bool Pickup::may_log() {
  MonoTime now = mono_now();
  if (!lines_.has("", 1, kDropLines, now)) return ++lines_left_out_, false;
  lines_.take("", 1, kDropLines, now);
  return true;
}

// Kept for the operator for a while, under a name that is not looked at again. A folder that is not
// empty cannot be removed, but it can get another name.
void Pickup::refuse(int folder, const std::string& name, std::uint32_t owner,
                    const std::string& why) {
  if (may_log())
    log::Line(log::Level::error, "drop_refused")
        .kv("file", config_.drop_dir + "/" + name + std::string(kRefusedEnd))
        .kv("uid", owner)
        .kv("reason", why)
        .kv("others_not_logged", std::exchange(lines_left_out_, 0));
  std::string kept = name + std::string(kRefusedEnd);
  // Links and the like are nothing to be kept.
  struct stat info {};
  bool found = ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  bool regular = found && S_ISREG(info.st_mode) && info.st_nlink == 1;
  if (!regular && ::unlinkat(folder, name.c_str(), 0) == 0) return;
  if (!regular && ::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0) return;
  if (::renameat(folder, name.c_str(), folder, kept.c_str()) == 0) return;
  // Something stands there already: one of two refused files is enough for the operator.
  if (regular && ::unlinkat(folder, name.c_str(), 0) == 0) return;
  (void)retries_.refused(name, Duration::zero(), mono_now());
}

void Pickup::remove_if_old(int folder, const std::string& name) {
  Duration age = ends_with(name, kRefusedEnd) ? kRefusedMax : kUnfinishedMax;
  struct stat info {};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  auto changed = std::chrono::system_clock::from_time_t(info.st_ctime);
  if (wall_now() - changed < age) return;
  (void)::unlinkat(folder, name.c_str(), S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0);
}

}  // namespace postwain::tool
