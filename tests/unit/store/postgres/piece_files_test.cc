// Pieces of bodies beside files: each is made of the other, and a move of the queue takes them
// along.
#include <catch2/catch.hpp>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "qmgr/moving/move_queue.h"
#include "qmgr/store/piece_files.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "tests/unit/store/postgres/piece_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using Kind = StoreError::Kind;

TEST_CASE("a file becomes pieces, and is made of them again where it is missing or wrong") {
  if (!has_server()) return;
  PieceTables database;
  PieceNode node;
  test::TempFolder folder;
  ContentFolder files(folder.path() + "/content");
  REQUIRE(files.create().ok());
  const std::string body = body_of(500'000);
  const mail::QueueId id{5};
  auto make = [&](const std::string& octets) {
    auto file = ContentFile::create(files, id);
    REQUIRE(file.ok());
    REQUIRE(file->append(octets).ok());
    REQUIRE(file->finish(octets.size()).ok());
  };
  make(body);
  REQUIRE(store_file(*node.transfers, files, id, body.size()).ok());
  SECTION("missing") {
    REQUIRE(files.remove(id).ok());
  }
  SECTION("too short") {
    REQUIRE(files.remove(id).ok());
    make(body.substr(1));
  }
  SECTION("too long") {
    REQUIRE(files.remove(id).ok());
    make(body + "x");
    const mail::QueueId other{6};
    REQUIRE(files.share(id, {other}).ok());
    CHECK(store_file(*node.transfers, files, other, body.size()).error().kind == Kind::refused);
  }
  SECTION("as it should be") {}
  Status made = make_file(*node.transfers, files, id, body.size());
  if (!made) FAIL(made.error().text);
  CHECK(files.read(id, 0, body.size() + 1).take() == body);
  REQUIRE(files.remove(id).ok());
  database.run("DELETE FROM chunk WHERE bag >= 0 AND no = 1");
  Status lost = make_file(*node.transfers, files, id, body.size());
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.error().code == EIO);
  CHECK_FALSE(files.open(id, body.size()).ok());
  CHECK(store_file(*node.transfers, files, id, body.size()).error().kind == Kind::refused);
}

TEST_CASE("a body goes with its message into the database, and back without its file") {
  if (!has_server()) return;
  PieceTables database;
  test::TempFolder folder;
  auto sqlite = SqliteStore::open(folder.db());
  REQUIRE(sqlite.ok());
  ContentFolder here(folder.path() + "/content");
  ContentFolder there(folder.path() + "/content-1");
  REQUIRE(here.create().ok());
  REQUIRE(there.create().ok());
  const std::string body = body_of(300'000);
  bool is_compact = GENERATE(false, true);
  NewMessage message = in_file(5, body.size(), is_compact);
  auto file = ContentFile::create(here, message.info.id);
  REQUIRE(file.ok());
  REQUIRE(file->append(body).ok());
  REQUIRE(file->finish(body.size()).ok());
  Batch batch;
  batch.accepts.push_back(std::make_unique<AcceptRequest>());
  batch.accepts.front()->submission.message = message;
  Batch written;
  REQUIRE(BatchWriter(**sqlite, nullptr).write(batch, written).ok());
  PieceNode node;
  auto moved = move_queue({**sqlite, here}, {*node.store, there});
  if (!moved) FAIL(moved.error().text);
  CHECK(moved->messages == 1);
  CHECK(body_from(*node.transfers, 5, body.size()) == body);
  REQUIRE(there.remove(message.info.id).ok());
  moved = move_queue({*node.store, there}, {**sqlite, here});
  if (!moved) FAIL(moved.error().text);
  CHECK(moved->messages == 1);
  CHECK(here.read(message.info.id, 0, body.size() + 1).take() == body);
  CHECK(database.pieces() == 0);
  CHECK_FALSE(there.open(message.info.id, body.size()).ok());
}
