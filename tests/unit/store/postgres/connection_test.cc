// What a connection makes of a server that is silent, of warnings, and of codes that mean something
// else in a fence.
#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"

#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using Kind = StoreError::Kind;
using test::has_server;
using test::opened;
using test::put;

namespace {

// As a machine that hangs: connections are made, and nothing is ever answered.
struct SilentHost {
  SilentHost() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener.get(), where, length) == 0);
    REQUIRE(::listen(listener.get(), 8) == 0);
    REQUIRE(::getsockname(listener.get(), where, &length) == 0);
    port = std::to_string(ntohs(address.sin_port));
  }
  UniqueFd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string port;
};

// A trigger on the table that each commit names its batch in.
std::string trigger(const std::string& what, const std::string& kind) {
  return "CREATE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN " + what +
         "; RETURN NULL; END $f$; CREATE " + kind + " FOR EACH ROW EXECUTE FUNCTION disturb()";
}

}  // namespace

TEST_CASE("a server that is silent for a second is told of once, and waited for") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  int told = 0;
  store->on_silence([&told] { ++told; });
  auto answer = store->session().connection()->run_script("SELECT 7 FROM pg_sleep(1.2)");
  REQUIRE(answer.ok());
  CHECK(*answer == 7);
  CHECK(told == 1);
  CHECK(put(*store, 1).ok());
  CHECK(told == 1);
}

TEST_CASE("a host of the cluster that is silent does not keep us from the next one") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  SilentHost silent;
  PgOptions options = database.options();
  options.connect_within = std::chrono::milliseconds(1500);
  const std::string folder = test::PostgresServer::get()->folder();
  const std::string rest = " dbname=" + database.name() + " user=postwain";
  options.conninfo = "host=127.0.0.1," + folder + " port=" + silent.port + ",5432" + rest;
  CHECK(PgStore::open(options).ok());
  options.conninfo = "host=" + folder + ",127.0.0.1 port=5432," + silent.port + rest;
  CHECK(PgStore::open(options).ok());
  options.conninfo = "host=127.0.0.1,127.0.0.1 port=" + silent.port + rest;
  options.connect_within = std::chrono::milliseconds(200);
  auto nobody = PgStore::open(options);
  REQUIRE_FALSE(nobody.ok());
  CHECK(nobody.error().kind == Kind::away);
}

TEST_CASE("whoever ends does not wait out a server that is silent") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  const std::string folder = test::PostgresServer::get()->folder();
  const std::string door = folder + "/door-" + database.name();
  REQUIRE(::symlink(".", door.c_str()) == 0);
  auto ending = std::make_shared<PgEnding>();
  PgOptions options = database.options();
  options.ending = ending;
  options.answer_within = options.doubt_within = std::chrono::hours(1);
  options.conninfo = "host=" + door + " port=5432 dbname=" + database.name() + " user=postwain";
  auto store = opened(options);
  SECTION("with an answer") {
    ending->set(mono_now());
    auto answer = store->session().connection()->run_script("SELECT 7 FROM pg_sleep(600)");
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().kind == Kind::away);
  }
  SECTION("with the fate of a commit") {
    database.run(trigger("PERFORM pg_sleep(600)",
                         "CONSTRAINT TRIGGER disturbs AFTER INSERT ON attempt DEFERRABLE "
                         "INITIALLY DEFERRED"));
    store->on_silence([&] {
      ::unlink(door.c_str());
      ending->set(mono_now());
    });
    StoreStatus stored = put(*store, 1);
    REQUIRE_FALSE(stored.ok());
    CHECK(stored.error().kind == Kind::unsure);
    store.reset();  // so that the server ends what sleeps
    database.run("DROP FUNCTION disturb() CASCADE");
  }
  ::unlink(door.c_str());
}

TEST_CASE("only a warning of the commit itself puts the commit in doubt") {
  if (!has_server()) return;
  struct {
    const char* what;
    const char* kind;
    bool doubtful;
  } rows[] = {
      {"a statement before the commit", "TRIGGER disturbs AFTER INSERT ON attempt", false},
      {"the commit",
       "CONSTRAINT TRIGGER disturbs AFTER INSERT ON attempt DEFERRABLE INITIALLY DEFERRED", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    test::PostgresDatabase database;
    auto store = opened(database.options());
    REQUIRE(put(*store, 1).ok());
    const std::int64_t token = store->session().token();
    database.run(trigger("RAISE WARNING 'mind the step'", row.kind));
    CHECK(put(*store, 2).ok());
    CHECK((store->session().token() > token) == row.doubtful);
    database.run("DROP FUNCTION disturb() CASCADE");
    CHECK(put(*store, 3).ok());
    CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == 3);
  }
}

TEST_CASE("a division by zero means a fence in the statements that are fences, nowhere else") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  database.run(trigger("PERFORM 1 / 0", "TRIGGER disturbs AFTER INSERT ON attempt"));
  StoreStatus refused = put(*store, 1);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == Kind::refused);
  database.run("DROP FUNCTION disturb() CASCADE");
  CHECK(put(*store, 1).ok());
}
