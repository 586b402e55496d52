// The engine that keeps the queue, as [queue] store names it: SQLite in the spool folder, or a
// PostgreSQL database. Either way one process at a time works with a spool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/config/table/queue.h"
#include "common/net/loop.h"

#include "qmgr/disk/ballast.h"
#include "qmgr/store/beat_service.h"
#include "qmgr/store/keeper_service.h"
#include "qmgr/store/postgres/pg_store.h"
#include "qmgr/store/queue_store.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

struct Engine {
  std::unique_ptr<QueueStore> store;
  // The folder of bodies in files, which are copies where the store has pieces (content_pieces.h).
  // Each database has one of its own: at the start files of unknown messages are removed, and those
  // of another queue are none of ours.
  std::string contents;
  bool in_database = false;          // the store is a database, and keeps nothing in the spool
  std::string log;                   // SQLite's: its blocks are kept for outcomes (admission.h)
  std::shared_ptr<PgSecret> secret;  // of the database; null for SQLite
  // Of all sessions with it; null for SQLite.
  std::shared_ptr<PgEnding> ending;
  UniqueFd lock;  // of the spool, where SQLite's own does not guard it
  // Of a store that several nodes may share, as it was opened.
  SharedQueue::Self self{};
  std::uint64_t own_bags = 0;
  std::vector<AttemptName> inherited;
  // Begins the heartbeat, where several nodes may share the store; null elsewhere.
  std::function<std::unique_ptr<BeatService>(net::Loop&)> begin_beats;
  // The same for what nodes tell each other (keeper_service.h).
  std::function<std::unique_ptr<KeeperService>(net::Loop&)> begin_keeper;
};

enum class Opening : std::uint8_t {
  make,       // it is made, where there is none; all of it is to be ours
  node,       // the same, but other nodes may have parts of it, and come later
  existing,   // that would be an error
  take_over,  // made where there is none, and taken from whoever has it
};

// Where the process that opens an engine is.
struct EnginePlace {
  std::string folder;  // the spool, as real_path() has it
  // Below it are the sockets of db-link, by which hosts of the network are reached.
  std::string runtime_dir;
};

// A database belongs to one spool, which has a random name for that in its file `lock`. The error's
// code is the exit code of the process.
Result<Engine> open_engine(const config::QueueDatabase& settings, const EnginePlace& place,
                           const Ballast& ballast, Opening how = Opening::make);

// How the database of these settings is reached from a process that has no network, and as which
// node; the rest of the options is their defaults.
PgOptions database_options(const config::QueueDatabase& settings, const std::string& runtime_dir);
// What whoever calls us has set for his own sessions with databases must not change ours
// (libpq(3)): before the first one is opened.
void forget_environment();

// Before open_engine(): fails where a start would leave mail behind, or have it delivered twice. A
// move of the queue has not ended (moving_file()), or the settings name a database while SQLite in
// the spool still holds mail.
Status check_nothing_left(const config::QueueDatabase& settings, const std::string& folder);
// There while a move is under way; its text says from where to where.
std::string moving_file(const std::string& folder);

// "queue.db", or the database in words; for a person.
std::string name_of(const config::QueueDatabase& settings);

// Of a process that ends for this error of the store: starting again may help, or not (65).
int exit_code_of(const StoreError& error);

}  // namespace postwain::qmgr
