#include "qmgr/commit_exercise.h"

#include "common/config/config.h"

#include <unistd.h>

#include "qmgr/store/sqlite/sqlite.h"

namespace postwain::qmgr {

namespace {

// With the same journal and locks as the queue (database_setup.cc, store_open.cc).
::postwain::Status commit_once(const std::string& path) {
  auto db = Database::open(path, Database::Create::if_missing);
  if (!db) return db.error();
  for (const char* sql :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA auto_vacuum=INCREMENTAL",
        "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "CREATE TABLE letter (id INTEGER PRIMARY KEY, content BLOB)", "BEGIN IMMEDIATE",
        "INSERT INTO letter (content) VALUES (zeroblob(200000))", "COMMIT", "DELETE FROM letter",
        "PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"})
    if (::postwain::Status done = db->run(sql); !done) return done;
  return {};
}

}  // namespace

daemon::Exercise commits() {
  return {"commit", "a commit of the database", [](const config::Config& config) {
            std::string path =
                config.spool_dir + "/.selftest-" + std::to_string(::getpid()) + ".db";
            return [path] {
              ::postwain::Status done = commit_once(path);
              for (const char* more : {"", "-wal", "-journal", "-shm"})
                ::unlink((path + more).c_str());
              return done;
            };
          }};
}

}  // namespace postwain::qmgr
