#include "qmgr/engine.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"

#include "qmgr/store/postgres/keeper/pg_keeper.h"
#include "qmgr/store/postgres/pg_beats.h"
#include "qmgr/store/sqlite/sqlite_store.h"

namespace postwain::qmgr {

int exit_code_of(const StoreError& error) {
  return error.kind == StoreError::Kind::damaged ? kExitDataError : kExitTempFail;
}

namespace {

Error another_qmgr(const std::string& folder) {
  return Error{folder + ": another qmgr works with this spool", kExitTempFail};
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
StoreResult<std::unique_ptr<SqliteStore>> open_sqlite(const std::string& folder,
                                                      const Ballast& ballast) {
  const std::string path = folder + "/queue.db";
  auto store = SqliteStore::open(path);
  std::string lacking = store ? std::string() : lacks_room(folder);
  if (lacking.empty()) return store;
  StoreError::Kind kind = store.error().kind;
  if (kind == StoreError::Kind::busy || kind == StoreError::Kind::damaged) return store;
  if (ballast.there()) {
    ::postwain::Status released = ballast.release();
    log::Line line(log::Level::warning, "ballast_released");
    line.kv("for", "start");
    if (!released) line.kv("error", released.error().text);
    return SqliteStore::open(path);
  }
  // SQLite's own words name what it tried last.
  return StoreError{
      kind, fmt::format("{}/queue.db cannot be opened: the disk has no room for another file, {}; "
                        "remove some there, and Postwain starts by itself",
                        folder, lacking)};
}

Result<Engine> sqlite_engine(const std::string& folder, const Ballast& ballast) {
  auto opened = open_sqlite(folder, ballast);
  if (!opened && opened.error().kind == StoreError::Kind::busy) return another_qmgr(folder);
  if (!opened) return Error{opened.error().text, exit_code_of(opened.error())};
  Engine engine;
  engine.store = opened.take();
  engine.contents = folder + "/content";
  engine.log = folder + "/queue.db-wal";
  return engine;
}

// The name of the spool in databases; made where the file has none yet.
Result<std::string> spool_name(int fd, const std::string& path) {
  constexpr std::size_t kOctets = 16;
  Result<std::string> text = read_small_fd(fd, 4 * kOctets);
  if (!text) return text;
  std::string name(text->substr(0, text->find('\n')));
  if (name.size() == 2 * kOctets) return name;
  std::string octets(kOctets, '\0');
  if (::getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size()))
    return system_error("getrandom", errno);
  name = hex_encode(octets);
  if (::ftruncate(fd, 0) != 0 || ::lseek(fd, 0, SEEK_SET) != 0) return system_error(path, errno);
  if (Status s = write_all(fd, name + "\n"); !s) return s.error();
  if (::fsync(fd) != 0) return system_error(path, errno);
  return name;
}

struct LockedSpool {
  UniqueFd lock;
  std::string name;
};

Result<LockedSpool> lock_spool(const std::string& folder) {
  std::string path = folder + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Error{system_error(path, errno).text, kExitCantCreate};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? another_qmgr(folder)
                                : Error{system_error(path, errno).text, kExitIoError};
  Result<std::string> name = spool_name(fd.get(), path);
  if (name)
    if (Status s = sync_folder(folder); !s) name = s.error();
  if (!name) return Error{name.error().text, kExitIoError};
  return LockedSpool{std::move(fd), name.take()};
}

std::uint16_t weight_of_machine() {
  return static_cast<std::uint16_t>(
      std::clamp<unsigned>(std::thread::hardware_concurrency(), 1, cluster::kWeightMost));
}

Result<Engine> database_engine(const config::QueueDatabase& settings, const EnginePlace& place,
                               Opening how) {
  Result<LockedSpool> spool = lock_spool(place.folder);
  if (!spool) return spool.error();
  forget_environment();
  Engine engine;
  engine.in_database = true;
  engine.lock = std::move(spool->lock);
  engine.secret = std::make_shared<PgSecret>();
  engine.secret->set(settings.password);
  engine.ending = std::make_shared<PgEnding>();
  PgOptions options = database_options(settings, place.runtime_dir);
  options.secret = engine.secret;
  options.ending = engine.ending;
  options.machine = spool->name;
  options.make_tables = how != Opening::existing;
  options.take_over = how == Opening::take_over;
  options.alone = how == Opening::make || how == Opening::existing;
  options.weight = weight_of_machine();
  options.version = POSTWAIN_VERSION;
  auto opened = PgStore::open(options);
  if (!opened)
    return Error{fmt::format("{}: {}", settings.address->text(), opened.error().text),
                 exit_code_of(opened.error())};
  log::Line(log::Level::info, "database_opened")
      .kv("server", (*opened)->session().connection()->describe())
      .kv("database", settings.address->text())
      .kv("node", settings.node);
  SharedQueue& shared = *(*opened)->shared();
  engine.self = shared.self();
  engine.own_bags = shared.own_bags();
  engine.inherited = shared.inherited();
  engine.begin_beats = [options, self = engine.self](net::Loop& loop) {
    return std::make_unique<PgBeats>(loop, options, self);
  };
  engine.begin_keeper = [options, self = engine.self](net::Loop& loop) {
    return std::make_unique<PgKeeper>(loop, options, self);
  };
  engine.contents = fmt::format("{}/content-{:x}", place.folder, (*opened)->queue());
  engine.store = opened.take();
  return engine;
}

}  // namespace

void forget_environment() {
  std::vector<std::string> names;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    std::string_view word = *one;
    if (word.starts_with("PG")) names.emplace_back(word.substr(0, word.find('=')));
  }
  for (const std::string& name : names) ::unsetenv(name.c_str());
}

PgOptions database_options(const config::QueueDatabase& settings, const std::string& runtime_dir) {
  PgOptions options;
  options.conninfo = settings.address->behind_link(runtime_dir).conninfo();
  const std::vector<config::DatabaseHost>& hosts = settings.address->hosts;
  for (std::size_t i = 0; i < hosts.size(); ++i)
    if (!hosts[i].is_local())
      options.places.push_back({config::database_link_folder(runtime_dir, i), hosts[i].text()});
  auto secret = std::make_shared<PgSecret>();
  secret->set(settings.password);
  options.secret = std::move(secret);
  options.node_name = settings.node;
  return options;
}

std::string moving_file(const std::string& folder) {
  return folder + "/moving";
}

Result<Engine> open_engine(const config::QueueDatabase& settings, const EnginePlace& place,
                           const Ballast& ballast, Opening how) {
  if (settings.address) return database_engine(settings, place, how);
  std::string path = place.folder + "/queue.db";
  if (how == Opening::existing && ::access(path.c_str(), F_OK) != 0)
    return Error{system_error(path, errno).text, kExitNoInput};
  return sqlite_engine(place.folder, ballast);
}

Status check_nothing_left(const config::QueueDatabase& settings, const std::string& folder) {
  constexpr std::size_t kMovingMax = 8192;
  if (Result<std::string> moving = read_small_file(moving_file(folder), kMovingMax); moving)
    return Error{fmt::format("the queue is being moved {}, and parts of it are in both stores: end "
                             "that first, by the same 'postwain queue move' as before",
                             printable(trim(moving->substr(0, moving->find('\n'))))),
                 kExitConfig};
  std::string path = folder + "/queue.db";
  if (!settings.address || ::access(path.c_str(), F_OK) != 0) return {};
  auto opened = SqliteStore::open(path);
  if (!opened && opened.error().kind == StoreError::Kind::busy) return another_qmgr(folder);
  if (!opened) return Error{opened.error().text, exit_code_of(opened.error())};
  StoreResult<mail::QueueId> last = (*opened)->scan().last_id();
  if (!last) return Error{last.error().text, exit_code_of(last.error())};
  if (last->value == 0) return {};
  return Error{fmt::format("{} still holds mail, and [queue] store names a database: move it there "
                           "with 'postwain queue move --from sqlite', or let Postwain deliver it "
                           "with store = \"sqlite\"",
                           path),
               kExitConfig};
}

std::string name_of(const config::QueueDatabase& settings) {
  return settings.address ? settings.address->text() : "queue.db";
}

}  // namespace postwain::qmgr
