#include "tests/postgres_server/postgres_server.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/file.h"

namespace postwain::qmgr::test {

namespace {

std::string why;

// The folder of the newest PostgreSQL's programs; empty: there is none.
std::string find_programs() {
  for (const char* pattern : {"/usr/lib/postgresql/*/bin/postgres", POSTWAIN_SOURCE_DIR
                              "/build/peers/postgresql-*/usr/lib/postgresql/*/bin/postgres"}) {
    glob_t found{};
    std::string path;
    if (::glob(pattern, 0, nullptr, &found) == 0) path = found.gl_pathv[found.gl_pathc - 1];
    ::globfree(&found);
    if (!path.empty()) return path.substr(0, path.rfind('/'));
  }
  return {};
}

const passwd* somebody_else() {
  return ::geteuid() == 0 ? ::getpwnam("nobody") : nullptr;
}

// In the child: becomes the program, as somebody who is not root.
[[noreturn]] void become(const std::vector<std::string>& words, const std::string& log,
                         const std::string& libraries) {
  int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  ::dup2(out, 1);
  ::dup2(out, 2);
  const passwd* other = somebody_else();
  if (other != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(other->pw_gid) != 0 ||
                           ::setuid(other->pw_uid) != 0))
    ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::access(libraries.c_str(), X_OK) == 0) ::setenv("LD_LIBRARY_PATH", libraries.c_str(), 1);
  if (::chdir("/") != 0) ::_exit(126);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

pid_t spawn(const std::vector<std::string>& words, const std::string& folder) {
  std::string libraries = words[0].substr(0, words[0].find("/postgresql/")) + "/x86_64-linux-gnu";
  pid_t pid = ::fork();
  if (pid == 0) become(words, folder + "/log", libraries);
  return pid;
}

std::string log_of(const std::string& folder) {
  Result<std::string> text = read_small_file(folder + "/log");
  return text ? *text : text.error().text;
}

}  // namespace

PostgresServer* PostgresServer::get() {
  static std::unique_ptr<PostgresServer> server = [] {
    std::unique_ptr<PostgresServer> made(new PostgresServer());
    std::string programs = find_programs();
    if (programs.empty())
      why = "PostgreSQL is neither installed nor unpacked below build/peers";
    else if (!made->start(programs))
      why = "PostgreSQL does not start: " + log_of(made->folder_);
    if (!why.empty()) made.reset();
    return made;
  }();
  return server.get();
}

const std::string& PostgresServer::why_not() {
  return why;
}

bool PostgresServer::start(const std::string& programs) {
  char name[] = "/tmp/pw-postgres-XXXXXX";
  folder_ = ::mkdtemp(name);
  const passwd* other = somebody_else();
  if (other != nullptr && ::chown(folder_.c_str(), other->pw_uid, other->pw_gid) != 0) return false;
  std::string data = folder_ + "/data";
  pid_t made = spawn({programs + "/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E",
                      "UTF8", "--locale=C", "--no-sync"},
                     folder_);
  int status = 0;
  if (made < 0 || ::waitpid(made, &status, 0) != made || status != 0) return false;
  pid_ = spawn({programs + "/postgres", "-D", data, "-k", folder_, "-c", "listen_addresses=", "-c",
                "fsync=off", "-c", "max_connections=40", "-c", "shared_buffers=32MB", "-c",
                "log_min_messages=fatal"},
               folder_);
  for (int i = 0; i < 600; ++i) {
    auto opened = PgConnection::open({conninfo("postgres", "postgres"),
                                      {},
                                      "test",
                                      std::chrono::seconds(5),
                                      std::chrono::seconds(30)});
    if (opened) {
      run("postgres", "CREATE ROLE postwain LOGIN");
      return true;
    }
    if (::waitpid(pid_, &status, WNOHANG) == pid_) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

PostgresServer::~PostgresServer() {
  if (pid_ > 0) {
    ::kill(pid_, SIGQUIT);
    ::waitpid(pid_, nullptr, 0);
  }
  if (!folder_.empty()) (void)!std::system(("rm -rf " + folder_).c_str());
}

std::string PostgresServer::conninfo(const std::string& database, const std::string& user) const {
  return "host=" + folder_ + " dbname=" + database + " user=" + user;
}

std::int64_t PostgresServer::run(const std::string& database, const std::string& sql) const {
  auto opened = PgConnection::open({conninfo(database, "postgres"),
                                    {},
                                    "test",
                                    std::chrono::seconds(30),
                                    std::chrono::seconds(60)});
  if (!opened) std::fprintf(stderr, "%s\n", opened.error().text.c_str());
  PW_CHECK(opened.ok());
  auto answer = (*opened)->run_script(sql);
  if (!answer) std::fprintf(stderr, "%s: %s\n", sql.c_str(), answer.error().text.c_str());
  PW_CHECK(answer.ok());
  return *answer;
}

// --- databases --------------------------------------------------------------------------------

PostgresDatabase::PostgresDatabase() : server_(*PostgresServer::get()) {
  if (!server_.free_databases_.empty()) {
    name_ = server_.free_databases_.back();
    server_.free_databases_.pop_back();
    return;
  }
  name_ = "queue" + std::to_string(++server_.databases_);
  server_.run("postgres", "CREATE DATABASE " + name_ + " OWNER postwain");
}

// Emptied, not dropped: that takes a tenth of the time.
PostgresDatabase::~PostgresDatabase() {
  server_.run(name_,
              "DO $$ DECLARE t text; BEGIN "
              "FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename "
              "NOT IN ('schema_info', 'bag', 'clock') LOOP EXECUTE 'DELETE FROM ' || t || "
              "CASE WHEN EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = t::regclass AND "
              "attname = 'bag') THEN ' WHERE bag >= 0' ELSE '' END; END LOOP; "
              "IF to_regclass('bag') IS NOT NULL THEN UPDATE bag SET node = NULL; "
              "UPDATE clock SET last_seen = 0; UPDATE schema_info SET oldest_compatible = 1; "
              "END IF; END $$");
  server_.free_databases_.push_back(name_);
}

PgOptions PostgresDatabase::options() const {
  PgOptions options;
  options.conninfo = server_.conninfo(name_);
  options.machine = "this machine";
  options.first_pause = std::chrono::milliseconds(1);
  options.longest_pause = std::chrono::milliseconds(100);
  return options;
}

std::int64_t PostgresDatabase::run(const std::string& sql) const {
  return server_.run(name_, sql);
}

}  // namespace postwain::qmgr::test
