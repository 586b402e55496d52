#include "qmgr/spool.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/log/log.h"

#include "qmgr/control/snapshot.h"
#include "qmgr/verdicts/retry_policy.h"

namespace postwain::qmgr {

int exit_code_of(const Error& error) {
  switch (trouble_of(error)) {
    case DbTrouble::damaged:
      return kExitDataError;
    case DbTrouble::full:
    case DbTrouble::busy:
    case DbTrouble::broken:
      return kExitTempFail;
  }
  return kExitTempFail;
}

namespace {

constexpr Duration kCheckAtMost = std::chrono::seconds(2);

// A process that was killed leaves a sound file; one that was not ended by us may tell of worse.
::postwain::Status check_after_unclean_end(Store& store) {
  if (!store.was_unclean()) return {};
  Result<bool> checked = store.quick_check(kCheckAtMost);
  if (!checked) return checked.error();
  log::Line(log::Level::info, "recovered")
      .kv("check", *checked ? "the database is sound" : "not finished in the time there is");
  return {};
}

// The longest a recipient may have to wait for its next attempt.
Duration longest_wait(const config::Config& config) {
  Duration longest = kHintMax;
  for (const std::vector<Duration>* delays : {&config.queue.retry, &config.queue.retry_lmtp})
    for (Duration delay : *delays) longest = std::max(longest, delay);
  return longest * 2 + std::chrono::minutes(1);
}

// After the clock was set back, due times lie beyond what any schedule plans.
::postwain::Status bring_due_times_near(Store& store, Duration by, Duration longest, WallTime now) {
  std::string after;
  std::int64_t moved = 0;
  constexpr std::size_t kAtOnce = 500;
  for (;;) {
    Result<std::vector<DueDestination>> page = store.destinations(after, kAtOnce);
    if (!page) return page.error();
    for (const DueDestination& one : *page) {
      Result<std::int64_t> some = store.set_back(one.destination, now, by, now + longest);
      if (!some) return some.error();
      moved += *some;
    }
    if (page->size() < kAtOnce) break;
    after = page->back().destination;
  }
  log::Line(log::Level::warning, "clock_set_back")
      .kv("by", format_duration(by))
      .kv("recipients", moved);
  return {};
}

// A full disk keeps nobody from starting: what could not be written is written later, or found out
// once more at the next start.
bool is_fatal(const ::postwain::Status& status) {
  return !status && trouble_of(status.error()) != DbTrouble::full;
}

Result<ObservedTime> look_at_clock(Store& store, const config::Config& config) {
  Result<StoredClock> stored = store.clock();
  if (!stored) return stored.error();
  ObservedTime observed(std::move(stored->gaps));
  WallTime now = wall_now();
  ObservedTime::Start start = observed.start(stored->last_seen, now, mono_now());
  if (start.gap) {
    log::Line(log::Level::warning, "time_unobserved")
        .kv("since", format_rfc3339(start.gap->at))
        .kv("for", format_duration(start.gap->length));
    if (::postwain::Status s = store.put_clock_gaps(observed.gaps()); is_fatal(s)) return s.error();
  }
  if (start.set_back > Duration(0))
    if (::postwain::Status s =
            bring_due_times_near(store, start.set_back, longest_wait(config), now);
        is_fatal(s))
      return s.error();
  if (::postwain::Status s = store.put_clock(now); is_fatal(s)) return s.error();
  return observed;
}

}  // namespace

namespace {

// A spool that was copied from another machine or restored by root has files of another owner; a
// start as root gives them to ours.
::postwain::Status check_files(const std::string& folder,
                               std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::string path = folder + "/" + name;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
      if (errno == ENOENT) continue;
      return system_error(path, errno);
    }
    int wanted = S_ISDIR(info.st_mode) ? R_OK | W_OK | X_OK : R_OK | W_OK;
    if (::access(path.c_str(), wanted) == 0) continue;
    int number = errno;
    return Error{
        fmt::format("{}; it belongs to the user with number {} (mode {:04o}) and qmgr runs "
                    "as {}: give the files in {} to that user (chown -R {} {}), or start "
                    "Postwain as root, which does so",
                    system_error(path, number).text, info.st_uid, info.st_mode & 07777, ::geteuid(),
                    folder, ::geteuid(), folder),
        number};
  }
  return {};
}

// What the disk lacks for a new file, in words; empty: nothing.
std::string lacks_room(const std::string& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return {};
  if (info.f_files > 0 && info.f_favail == 0) return "it has no names for files left (df -i)";
  return info.f_bavail == 0 ? "not one byte of it is free (df)" : "";
}

// The log of the database is made anew at a start behind an orderly end, and that takes the name of
// a file, and some room. Where the disk has neither, the ballast gives up its own.
Result<Store> open_store(const std::string& folder, const Ballast& ballast) {
  Result<Store> store = Store::open(folder + "/queue.db");
  std::string lacking = store ? std::string() : lacks_room(folder);
  if (lacking.empty()) return store;
  DbTrouble trouble = trouble_of(store.error());
  if (trouble == DbTrouble::busy || trouble == DbTrouble::damaged) return store;
  if (ballast.there()) {
    ::postwain::Status released = ballast.release();
    log::Line line(log::Level::warning, "ballast_released");
    line.kv("for", "start");
    if (!released) line.kv("error", released.error().text);
    return Store::open(folder + "/queue.db");
  }
  // SQLite's own words name what it tried last.
  return Error{
      fmt::format("{}/queue.db cannot be opened: the disk has no room for another file, {}; "
                  "remove some there, and Postwain starts by itself",
                  folder, lacking),
      store.error().code};
}

}  // namespace

Result<Spool> open_spool(const config::Config& config) {
  if (::mkdir(config.spool_dir.c_str(), 0700) != 0 && errno != EEXIST)
    return Error{system_error(config.spool_dir, errno).text, kExitCantCreate};
  Result<std::string> folder = real_path(config.spool_dir);
  if (!folder) return Error{folder.error().text, kExitNoInput};
  if (::postwain::Status s = check_writable(*folder); !s)
    return Error{s.error().text + ": the spool cannot be written", kExitTempFail};
  if (::postwain::Status s = check_files(*folder, {"queue.db", "queue.db-wal", "content"}); !s)
    return Error{s.error().text, kExitNoPermission};
  // No mail depends on it: it is not kept, which is told once more by itself (history.h).
  if (::postwain::Status s = check_files(*folder, {"history.db", "history.db-wal"}); !s)
    log::Line(log::Level::error, "history_trouble").kv("error", s.error().text);
  Ballast ballast(*folder + "/ballast");
  Result<Store> store = open_store(*folder, ballast);
  if (!store) {
    if (trouble_of(store.error()) == DbTrouble::busy)
      return Error{config.spool_dir + ": another qmgr works with this spool", kExitTempFail};
    return Error{store.error().text, exit_code_of(store.error())};
  }
  if (::postwain::Status s = check_after_unclean_end(*store); !s)
    return Error{s.error().text, exit_code_of(s.error())};
  Result<ObservedTime> observed = look_at_clock(*store, config);
  if (!observed) return Error{observed.error().text, exit_code_of(observed.error())};
  Snapshot::remove_left_over(*folder);
  ContentFolder files(*folder + "/content");
  if (::postwain::Status s = files.create(); !s) return Error{s.error().text, kExitCantCreate};
  Result<std::size_t> swept = files.sweep([&](mail::QueueId id) { return store->has_message(id); });
  if (!swept) return Error{swept.error().text, kExitIoError};
  if (*swept > 0) log::Line(log::Level::info, "orphans_removed").kv("files", *swept);
  return Spool{store.take(), std::move(files), observed.take(), std::move(ballast),
               *folder + "/queue.db-wal"};
}

}  // namespace postwain::qmgr
