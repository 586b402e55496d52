#include "qmgr/engine.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/load/host_name.h"
#include "common/log/log.h"

#include "qmgr/store/sqlite/sqlite_store.h"

namespace postwain::qmgr {

int exit_code_of(const StoreError& error) {
  return error.kind == StoreError::Kind::damaged ? kExitDataError : kExitTempFail;
}

std::string machine_id() {
  constexpr std::size_t kMachineIdMax = 64;
  Result<std::string> id = read_small_file("/etc/machine-id", kMachineIdMax);
  std::string text(trim(id ? std::string_view(*id).substr(0, id->find('\n')) : ""));
  return text.empty() ? config::machine_host_name().value_or("") : text;
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

Result<UniqueFd> lock_spool(const std::string& folder) {
  std::string path = folder + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Error{system_error(path, errno).text, kExitCantCreate};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return another_qmgr(folder);
  return Error{system_error(path, errno).text, kExitIoError};
}

Result<Engine> database_engine(const config::QueueDatabase& settings, const std::string& folder,
                               const std::string& machine) {
  Result<UniqueFd> lock = lock_spool(folder);
  if (!lock) return lock.error();
  Engine engine;
  engine.lock = lock.take();
  engine.secret = std::make_shared<PgSecret>();
  engine.secret->set(settings.password);
  PgOptions options;
  options.conninfo = settings.address->conninfo();
  options.secret = engine.secret;
  options.node_name = settings.node;
  options.machine = fmt::format("{} {}", machine, folder);
  auto opened = PgStore::open(std::move(options));
  if (!opened)
    return Error{fmt::format("{}: {}", settings.address->text(), opened.error().text),
                 exit_code_of(opened.error())};
  log::Line(log::Level::info, "database_opened")
      .kv("server", (*opened)->session().connection()->describe())
      .kv("database", settings.address->text())
      .kv("node", settings.node);
  engine.contents = fmt::format("{}/content-{:x}", folder, (*opened)->queue());
  engine.store = opened.take();
  return engine;
}

}  // namespace

Result<Engine> open_engine(const config::QueueDatabase& settings, const std::string& folder,
                           const std::string& machine, const Ballast& ballast) {
  return settings.address ? database_engine(settings, folder, machine)
                          : sqlite_engine(folder, ballast);
}

Status check_nothing_left(const config::QueueDatabase& settings, const std::string& folder) {
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
