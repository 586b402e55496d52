// A PostgreSQL server of the test's own: real, in a folder that goes away, at a Unix socket in it
// and nowhere else, without fsync. It runs as nobody where the test runs as root, and ends with the
// test's process.
//
// The programs are Debian's: installed, or unpacked below build/peers (tools/unpack_packages.sh).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/postgres/session/pg_options.h"

namespace postwain::qmgr::test {

class PostgresServer {
 public:
  // Started at the first call. Null where there is no PostgreSQL; one that does not start is a
  // failure, which is told in why_not().
  static PostgresServer* get();
  static const std::string& why_not();
  ~PostgresServer();

  const std::string& folder() const { return folder_; }  // with the socket .s.PGSQL.5432
  // As libpq takes it. The owner of the databases is no superuser.
  std::string conninfo(const std::string& database, const std::string& user = "postwain") const;
  // As the superuser; the number in the first column, 0 where there is none. It must succeed.
  std::int64_t run(const std::string& database, const std::string& sql) const;

 private:
  friend class PostgresDatabase;
  PostgresServer() = default;
  bool start(const std::string& programs);

  std::string folder_;
  pid_t pid_ = -1;
  std::vector<std::string> free_databases_;
  int databases_ = 0;
};

// A database whose tables are empty, as long as this lives.
class PostgresDatabase {
 public:
  PostgresDatabase();
  ~PostgresDatabase();
  PostgresDatabase(const PostgresDatabase&) = delete;
  PostgresDatabase& operator=(const PostgresDatabase&) = delete;

  const std::string& name() const { return name_; }
  PgOptions options() const;
  std::int64_t run(const std::string& sql) const;

 private:
  PostgresServer& server_;
  std::string name_;
};

}  // namespace postwain::qmgr::test
