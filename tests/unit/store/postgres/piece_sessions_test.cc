// Sessions by which bodies go into the database: ended, lost, cut, and several at once.
#include <catch2/catch.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/postgres_server/cutting_proxy.h"
#include "tests/unit/store/postgres/piece_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using Kind = StoreError::Kind;

TEST_CASE("a node whose term has ended writes no pieces any more") {
  if (!has_server()) return;
  PieceTables database;
  PieceNode first;
  put_body(*first.transfers, 5, body_of(10));
  PieceNode second;
  const std::string body = body_of(10);
  auto late = first.transfers->put(mail::QueueId{6}, body.size(), source_of(body));
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().kind == Kind::fenced);
  const mail::QueueId id{5};
  CHECK(first.transfers->drop({&id, 1}).error().kind == Kind::fenced);
  CHECK(database.pieces() == 1);
  put_body(*second.transfers, 6, body);
}

TEST_CASE(
    "a body whose source ends, or whose database goes away, is no body and can be put again") {
  if (!has_server()) return;
  PieceTables database;
  PieceNode node;
  const std::string body = body_of(1'000'000);
  int steps = 0;
  auto source = source_of(body);
  SECTION("the source ends") {
    auto done = node.transfers->put(
        mail::QueueId{5}, body.size(), [&](std::size_t octets) -> std::optional<std::string> {
          return ++steps < 3 ? std::optional(source(octets)) : std::nullopt;
        });
    REQUIRE(done.ok());
    CHECK_FALSE(*done);
  }
  SECTION("the session is ended") {
    auto done = node.transfers->put(mail::QueueId{5}, body.size(), [&](std::size_t octets) {
      if (++steps == 3)
        CHECK(database.run("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                           "application_name LIKE 'postwain/%/bodies/'") == 1);
      return source(octets);
    });
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().kind == Kind::away);
  }
  CHECK(database.pieces() == 64);
  CHECK_FALSE(is_whole(*node.store, 5, body.size()));
  put_body(*node.transfers, 5, body);
  CHECK(body_from(*node.transfers, 5, body.size()) == body);
}

TEST_CASE("a session that was lost while it lay idle is replaced unnoticed") {
  if (!has_server()) return;
  PieceTables database;
  PieceNode node;
  const std::string body = body_of(10'000);
  for (int i = 0; i < 3; ++i) {
    put_body(*node.transfers, 5, body);
    database.run(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
        "application_name LIKE 'postwain/%/bodies/'");
    CHECK(body_from(*node.transfers, 5, body.size()) == body);
    database.run(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
        "application_name LIKE 'postwain/%/bodies/'");
  }
}

TEST_CASE("bodies are written and read by several threads at once") {
  if (!has_server()) return;
  PieceTables database;
  PieceNode node;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (unsigned t = 1; t <= 4; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 5; ++i) {
        const std::string body = body_of(300'000, t * 10 + i);
        auto put = node.transfers->put(mail::QueueId{t * 10 + i}, body.size(), source_of(body));
        std::string found;
        auto got = node.transfers->get(mail::QueueId{t * 10 + i}, body.size(), [&](auto octets) {
          found += octets;
          return true;
        });
        if (put && *put && got && *got && found == body) ++good;
      }
    });
  for (std::thread& one : threads) one.join();
  CHECK(good == 20);
}

TEST_CASE("after whichever byte its session is cut, a body is whole or not accepted") {
  if (!has_server()) return;
  PieceTables database;
  test::CuttingProxy proxy(test::PostgresServer::get()->folder());
  PgOptions direct = PieceNode::database().options();
  PgOptions options = direct;
  options.conninfo =
      "host=" + proxy.folder() + " dbname=" + PieceNode::database().name() + " user=postwain";
  options.first_pause = Duration(0);
  PieceNode node(direct);
  PgPieceTransfers cut(options, node.store->session().node(), node.store->session().term());
  const std::string body = body_of(600'000);
  std::size_t accepted = 0;
  std::size_t refused = 0;
  std::uint64_t id = 100;
  using Direction = test::CuttingProxy::Direction;
  for (Direction direction : {Direction::to_server, Direction::to_client})
    for (std::size_t k = 0, stride = direction == Direction::to_server ? 40'009 : 97;;
         k += stride) {
      CAPTURE(k, direction == Direction::to_server);
      proxy.cut_after(direction, k);
      auto done = cut.put(mail::QueueId{++id}, body.size(), source_of(body));
      bool was_cut = proxy.stop_cutting();
      bool is_done = done.ok() && *done;
      REQUIRE((is_done || done.error().kind == Kind::away));
      AcceptEnd end = accept(*node.store, in_file(id, body.size(), true));
      if (is_done) CHECK(end == AcceptEnd::stored);
      if (end == AcceptEnd::stored) CHECK(body_from(*node.transfers, id, body.size()) == body);
      ++(end == AcceptEnd::stored ? accepted : refused);
      if (!was_cut) break;
    }
  CHECK(accepted >= 2);
  CHECK(refused > 10);
}
