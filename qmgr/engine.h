// The engine that keeps the queue, as [queue] store names it: SQLite in the spool folder, or a
// PostgreSQL database. Either way one process at a time works with a spool.
#pragma once

#include <memory>
#include <string>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/config/table/queue.h"

#include "qmgr/disk/ballast.h"
#include "qmgr/store/postgres/pg_store.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

struct Engine {
  std::unique_ptr<QueueStore> store;
  // The folder of contents that the store does not keep. Each database has one of its own: at the
  // start files of unknown messages are removed, and those of another queue are none of ours.
  std::string contents;
  // SQLite's log: its blocks are kept for outcomes (admission.h). Empty: the store is a database.
  std::string log;
  std::shared_ptr<PgSecret> secret;  // of the database; null for SQLite
  UniqueFd lock;                     // of the spool, where SQLite's own does not guard it
};

// What tells this machine from others: /etc/machine-id (machine-id(5)), or its host name where that
// is not there. To be asked before files are given up.
std::string machine_id();

// folder: the spool, as real_path() has it. The error's code is the exit code of the process.
Result<Engine> open_engine(const config::QueueDatabase& settings, const std::string& folder,
                           const std::string& machine, const Ballast& ballast);

// Fails where the settings name a database while SQLite in the spool still holds mail: it would
// wait there unseen.
Status check_nothing_left(const config::QueueDatabase& settings, const std::string& folder);

// "queue.db", or the database in words; for a person.
std::string name_of(const config::QueueDatabase& settings);

// Of a process that ends for this error of the store: starting again may help, or not (65).
int exit_code_of(const StoreError& error);

}  // namespace postwain::qmgr
