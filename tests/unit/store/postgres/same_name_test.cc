// Two machines with one name of a node: the one that works is never thrown out by the other.
#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using Kind = StoreError::Kind;
using test::has_server;
using test::opened;
using test::put;

namespace {

PgOptions on_machine(const test::PostgresDatabase& database, const std::string& machine) {
  PgOptions options = database.options();
  options.alone = false;
  options.node_name = "a";
  options.machine = machine;
  return options;
}

// A node beats, as this thread makes it look.
class Beats {
 public:
  explicit Beats(const test::PostgresDatabase& database)
      : thread_([this, &database] {
          while (!stop_) {
            database.run("UPDATE node SET beat = beat + 1 WHERE name = 'a'");
            std::this_thread::sleep_for(10ms);
          }
        }) {}
  ~Beats() {
    stop_ = true;
    thread_.join();
  }
  Beats(const Beats&) = delete;
  Beats& operator=(const Beats&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace

// `queue take-over` threw a living node out: the error about two machines of one name advised it.
TEST_CASE("a node that works is not taken over by another machine of its name") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto first = opened(on_machine(database, "first"));
  PgOptions second = on_machine(database, "second");
  auto refused = PgStore::open(second);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == Kind::busy);
  CHECK(refused.error().text.find("a name of its own") != std::string::npos);
  second.take_over = true;
  second.silence = 500ms;
  {
    Beats beats(database);
    auto taken = PgStore::open(second);
    REQUIRE_FALSE(taken.ok());
    CHECK(taken.error().kind == Kind::busy);
    CHECK(taken.error().text.find("works at this moment") != std::string::npos);
  }
  CHECK(put(*first, 1).ok());
  // Once it is silent its mail is the other one's.
  auto taken = opened(second);
  CHECK(taken->shared()->own_bags() == mail::kAllBags);
  CHECK(put(*first, 2).error().kind == Kind::fenced);
}
