#include "qmgr/spool.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/log/log.h"

#include "qmgr/cluster/clock_check.h"
#include "qmgr/control/snapshot.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/verdicts/retry_policy.h"

namespace postwain::qmgr {

namespace {

constexpr Duration kCheckAtMost = std::chrono::seconds(2);

// A process that was killed leaves a sound file; one that was not ended by us may tell of worse.
StoreStatus check_after_unclean_end(Maintenance& store) {
  if (!store.was_unclean()) return {};
  StoreResult<bool> checked = store.check(kCheckAtMost);
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
StoreStatus bring_due_times_near(WaitingRows& store, Duration by, Duration longest, WallTime now) {
  std::string after;
  std::int64_t moved = 0;
  constexpr std::size_t kAtOnce = 500;
  for (;;) {
    StoreResult<std::vector<DueDestination>> page = store.destinations(after, kAtOnce);
    if (!page) return page.error();
    for (const DueDestination& one : *page) {
      StoreResult<std::int64_t> some = store.set_back(one.destination, now, by, now + longest);
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
bool is_fatal(const StoreStatus& status) {
  return !status && status.error().kind != StoreError::Kind::full;
}

StoreResult<ObservedTime> look_at_clock(QueueStore& store, const config::Config& config) {
  StoreResult<StoredClock> stored = store.clock().read();
  if (!stored) return stored.error();
  ObservedTime observed(std::move(stored->gaps));
  WallTime now = wall_now();
  ObservedTime::Start start = observed.start(stored->last_seen, now, mono_now());
  std::vector<ClockFact> facts;
  if (start.gap) {
    log::Line(log::Level::warning, "time_unobserved")
        .kv("since", format_rfc3339(start.gap->at))
        .kv("for", format_duration(start.gap->length));
    facts.emplace_back(AllClockGaps{observed.gaps()});
  }
  facts.emplace_back(LastSeen{now});
  StoreStatus done = store.begin();
  // Several nodes write down how late it is, each by its own clock.
  const Duration tolerated = store.shared() != nullptr ? cluster::kClockMost : Duration(0);
  if (done && start.set_back > tolerated)
    done = bring_due_times_near(store.waiting(), start.set_back, longest_wait(config), now);
  if (done) done = store.clock().write(facts);
  if (done) done = store.commit();
  if (!done) store.roll_back();
  if (is_fatal(done)) return done.error();
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
  if (::postwain::Status s = check_nothing_left(config.queue.store, *folder); !s) return s.error();
  Result<Engine> engine =
      open_engine(config.queue.store, {*folder, config.runtime_dir}, ballast, Opening::node);
  if (!engine) return engine.error();
  QueueStore* store = engine->store.get();
  if (StoreStatus s = check_after_unclean_end(store->maintenance()); !s)
    return Error{s.error().text, exit_code_of(s.error())};
  StoreResult<ObservedTime> observed = look_at_clock(*store, config);
  if (!observed) return Error{observed.error().text, exit_code_of(observed.error())};
  Snapshot::remove_left_over(*folder);
  ContentFolder files(engine->contents);
  if (::postwain::Status s = files.create(); !s) return Error{s.error().text, kExitCantCreate};
  Result<std::size_t> swept = files.sweep([&](mail::QueueId id) -> Result<bool> {
    StoreResult<bool> known = QueueReader(*store).has_message(id);
    if (!known) return Error{known.error().text, EIO};
    return *known;
  });
  if (!swept) return Error{swept.error().text, kExitIoError};
  if (*swept > 0) log::Line(log::Level::info, "orphans_removed").kv("files", *swept);
  return Spool{engine.take(), std::move(files), observed.take(), std::move(ballast)};
}

}  // namespace postwain::qmgr
