// Bodies of files as pieces in the database: that a message is never there without all of its body,
// and that no pieces stay behind.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "qmgr/model/unjudged.h"
#include "qmgr/moving/move_queue.h"
#include "qmgr/store/piece_files.h"
#include "qmgr/store/postgres/pg_piece_transfers.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "qmgr/store/writing/batch_writer.h"
#include "tests/postgres_server/cutting_proxy.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using Kind = StoreError::Kind;
using test::has_server;
using test::make_message;
using test::opened;

namespace {

std::string body_of(std::size_t size, unsigned seed = 1) {
  std::string body(size, '\0');
  for (char& c : body) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return body;
}

PieceTransfers::Source source_of(const std::string& body) {
  return [&body, at = std::size_t{0}](std::size_t octets) mutable {
    std::string next = body.substr(at, octets);
    at += octets;
    return next;
  };
}

void put_body(PieceTransfers& transfers, std::uint64_t id, const std::string& body) {
  auto done = transfers.put(mail::QueueId{id}, body.size(), source_of(body));
  if (!done) FAIL(done.error().text);
  CHECK(*done);
}

std::optional<std::string> body_from(PieceTransfers& transfers, std::uint64_t id,
                                     std::uint64_t size) {
  std::string body;
  auto done = transfers.get(mail::QueueId{id}, size, [&body](std::string_view octets) {
    body += octets;
    return true;
  });
  if (!done) FAIL(done.error().text);
  return *done ? std::optional(body) : std::nullopt;
}

bool is_whole(PgStore& store, std::uint64_t id, std::uint64_t size) {
  ContentPieces::Body body{mail::QueueId{id}, size};
  auto whole = store.pieces()->whole({&body, 1});
  if (!whole) FAIL(whole.error().text);
  return whole->front();
}

NewMessage in_file(std::uint64_t id, std::uint64_t size, bool is_compact,
                   std::vector<std::string> to = {"a@x.org"}) {
  NewMessage message = make_message(id, std::move(to));
  message.info.in_file = true;
  message.info.header_size = static_cast<std::uint32_t>(message.content.size());
  message.info.size = message.content.size() + size;
  message.is_compact = is_compact;
  return message;
}

AcceptEnd accept(PgStore& store, Submission submission, std::string* error = nullptr) {
  Batch batch;
  batch.accepts.push_back(std::make_unique<AcceptRequest>());
  batch.accepts.front()->submission = std::move(submission);
  Batch written;
  StoreStatus done = BatchWriter(store, nullptr).write(batch, written);
  if (!done) FAIL(done.error().text);
  if (error != nullptr) *error = written.accepts.front()->error;
  return written.accepts.front()->end;
}

AcceptEnd accept(PgStore& store, const NewMessage& message) {
  return accept(store, Submission{message, {}, {}, {}});
}

Settled settle(PgStore& store, Settlement settlement) {
  settlement.in_file = true;
  Batch batch;
  batch.settles.push_back(std::make_unique<SettleRequest>());
  batch.settles.front()->settlement = std::move(settlement);
  Batch written;
  StoreStatus done = BatchWriter(store, nullptr).write(batch, written);
  if (!done) FAIL(done.error().text);
  REQUIRE(written.settles.front()->error.empty());
  return written.settles.front()->settled;
}

RecipientChange change_of(std::uint32_t index, ChangeKind kind) {
  RecipientChange change;
  change.index = index;
  change.kind = kind;
  change.destination = "mx:x.org";
  return change;
}

// A database with a store of this node, and the way for bodies.
struct Node {
  explicit Node(const PgOptions& options)
      : store(opened(options)), transfers(store->pieces()->transfers()) {}
  Node() : Node(database().options()) {}

  // One for each test case, made at its first use.
  static test::PostgresDatabase& database() { return *current; }
  static inline std::unique_ptr<test::PostgresDatabase> current;

  std::unique_ptr<PgStore> store;
  std::shared_ptr<PieceTransfers> transfers;
};

struct PieceTables {
  PieceTables() { Node::current = std::make_unique<test::PostgresDatabase>(); }
  ~PieceTables() { Node::current.reset(); }
  std::int64_t pieces() const {
    return Node::current->run("SELECT count(*) FROM chunk WHERE bag >= 0");
  }
  std::int64_t run(const std::string& sql) const { return Node::current->run(sql); }
};

}  // namespace

TEST_CASE("a body becomes pieces, and the same octets again") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  std::size_t size = GENERATE(0, 1, 7999, 8000, 8001, 255'999, 256'000, 256'001, 3'000'000);
  CAPTURE(size);
  const std::string body = body_of(size);
  put_body(*node.transfers, 5, body);
  CHECK(database.pieces() == static_cast<std::int64_t>(pieces_of(size)));
  CHECK(is_whole(*node.store, 5, size));
  CHECK_FALSE(is_whole(*node.store, 5, size + 1));
  CHECK(body_from(*node.transfers, 5, size) == body);
  CHECK_FALSE(body_from(*node.transfers, 5, size + 1));
  if (size > 0) CHECK_FALSE(body_from(*node.transfers, 5, size - 1));
  for (std::size_t octets : {1U, 8000U, 20'000U})
    CHECK(node.store->pieces()->start(mail::QueueId{5}, octets).take() == body.substr(0, octets));
}

TEST_CASE("pieces that are missing, short or of a wrong number are no body") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  const std::string body = body_of(400'000);
  put_body(*node.transfers, 5, body);
  SECTION("the first") {
    database.run("DELETE FROM chunk WHERE id = 5 AND bag >= 0 AND no = 0");
  }
  SECTION("one") {
    database.run("DELETE FROM chunk WHERE id = 5 AND bag >= 0 AND no = 37");
  }
  SECTION("the last") {
    database.run("DELETE FROM chunk WHERE id = 5 AND bag >= 0 AND no = 49");
  }
  SECTION("all") {
    database.run("DELETE FROM chunk WHERE id = 5 AND bag >= 0");
  }
  SECTION("short") {
    database.run("UPDATE chunk SET data = 'x' WHERE id = 5 AND bag >= 0 AND no = 37");
  }
  SECTION("moved up") {
    database.run("UPDATE chunk SET no = 50 WHERE id = 5 AND bag >= 0 AND no = 49");
    CHECK(is_whole(*node.store, 5, body.size()));  // counts; who reads it looks closer
    CHECK_FALSE(body_from(*node.transfers, 5, body.size()));
    return;
  }
  CHECK_FALSE(body_from(*node.transfers, 5, body.size()));
  CHECK_FALSE(is_whole(*node.store, 5, body.size()));
}

TEST_CASE("what is left of a former try is replaced, and what a message refers to is not") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  const std::string first = body_of(30'000, 1);
  const std::string second = body_of(20'000, 2);
  put_body(*node.transfers, 5, first);
  put_body(*node.transfers, 5, second);
  CHECK(body_from(*node.transfers, 5, second.size()) == second);
  const mail::QueueId id{5};
  bool is_compact = GENERATE(false, true);
  REQUIRE(accept(*node.store, in_file(5, second.size(), is_compact)) == AcceptEnd::stored);
  put_body(*node.transfers, 5, first);
  CHECK(node.transfers->drop({&id, 1}).ok());
  CHECK(body_from(*node.transfers, 5, second.size()) == second);
  CHECK(accept(*node.store, in_file(5, second.size(), is_compact)) == AcceptEnd::duplicate);
  CHECK(accept(*node.store, in_file(5, first.size(), is_compact)) == AcceptEnd::conflict);
  CHECK(body_from(*node.transfers, 5, second.size()) == second);
}

TEST_CASE("pieces under the id of a message that is in no file are nobody's") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  const std::string body = body_of(20'000);
  REQUIRE(accept(*node.store, make_message(5, {"a@x.org"})) == AcceptEnd::stored);
  put_body(*node.transfers, 5, body);
  CHECK(accept(*node.store, in_file(5, body.size(), false)) == AcceptEnd::conflict);
  CHECK(database.pieces() == 3);
  const mail::QueueId id{5};
  CHECK(node.transfers->drop({&id, 1}).ok());
  CHECK(database.pieces() == 0);
}

TEST_CASE("a message whose pieces are not all there is not accepted, and nothing of it is") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  bool is_compact = GENERATE(false, true);
  std::string error;
  put_body(*node.transfers, 5, body_of(20'000));
  SECTION("a crash of the database has lost them") {
    database.run("DELETE FROM chunk WHERE bag >= 0 AND no = 2");
    CHECK(accept(*node.store, {in_file(5, 20'000, is_compact), {}, {}, {}}, &error) ==
          AcceptEnd::failed);
  }
  SECTION("of another size than the message says") {
    CHECK(accept(*node.store, {in_file(5, 20'001, is_compact), {}, {}, {}}, &error) ==
          AcceptEnd::failed);
  }
  SECTION("those of a part were not written") {
    CHECK(accept(*node.store,
                 {in_file(5, 20'000, is_compact), {in_file(6, 20'000, is_compact)}, {}, {}},
                 &error) == AcceptEnd::failed);
  }
  CHECK(error.find("not all of its content") != std::string::npos);
  CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == 0);
  CHECK(database.run("SELECT count(*) FROM message WHERE bag >= 0") == 0);
  CHECK(database.run("SELECT count(*) FROM recipient WHERE bag >= 0") == 0);
}

TEST_CASE("one message without its pieces does not keep the others of its batch from theirs") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  put_body(*node.transfers, 5, body_of(10'000));
  Batch batch;
  for (const NewMessage& message :
       {in_file(4, 10'000, true), in_file(5, 10'000, true), make_message(6, {"a@x.org"})}) {
    batch.accepts.push_back(std::make_unique<AcceptRequest>());
    batch.accepts.back()->submission.message = message;
  }
  Batch written;
  REQUIRE(BatchWriter(*node.store, nullptr).write(batch, written).ok());
  REQUIRE(written.accepts.size() == 3);
  CHECK(written.accepts[0]->end == AcceptEnd::failed);
  CHECK(written.accepts[1]->end == AcceptEnd::stored);
  CHECK(written.accepts[2]->end == AcceptEnd::stored);
}

TEST_CASE("pieces go with the last recipient of their message, and not before") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  const mail::QueueId id{5};
  bool is_compact = GENERATE(false, true);
  put_body(*node.transfers, 5, body_of(20'000));
  put_body(*node.transfers, 6, body_of(20'000));
  REQUIRE(accept(*node.store, in_file(5, 20'000, is_compact, {"a@x.org", "b@x.org"})) ==
          AcceptEnd::stored);
  SECTION("at once") {
    Settlement end{id, {change_of(0, ChangeKind::remove), change_of(1, ChangeKind::remove)}, {}};
    end.maybe_all = true;
    end.is_compact = is_compact;
    CHECK(settle(*node.store, end).message_removed);
  }
  SECTION("one by one") {
    settle(*node.store, {id, {change_of(0, ChangeKind::remove)}, {}});
    CHECK(database.pieces() == 6);
    CHECK(settle(*node.store, {id, {change_of(1, ChangeKind::remove)}, {}}).message_removed);
  }
  SECTION("after a deferral") {
    settle(*node.store,
           {id, {change_of(0, ChangeKind::defer), change_of(1, ChangeKind::remove)}, {}});
    CHECK(database.pieces() == 6);
    CHECK(body_from(*node.transfers, 5, 20'000) == body_of(20'000));
    CHECK(settle(*node.store, {id, {change_of(0, ChangeKind::remove)}, {}}).message_removed);
  }
  CHECK(database.pieces() == 3);
}

TEST_CASE("a removal that is rolled back removes nothing") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  put_body(*node.transfers, 5, body_of(20'000));
  const mail::QueueId id{5};
  (void)node.store->begin();
  CHECK(node.store->pieces()->remove({&id, 1}).ok());
  CHECK(is_whole(*node.store, 5, 0));
  node.store->roll_back();
  CHECK(database.pieces() == 3);
}

TEST_CASE("the parts of a message have the same body, each its own") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  const std::size_t size = 9'000'000;  // more pieces than one statement copies
  const std::string body = body_of(size);
  put_body(*node.transfers, 5, body);
  for (std::uint64_t part : {6U, 7U})
    REQUIRE(node.transfers->copy(mail::QueueId{5}, mail::QueueId{part}).ok());
  Submission submission{
      in_file(5, size, true), {in_file(6, size, true), in_file(7, size, true)}, {}, {}};
  REQUIRE(accept(*node.store, submission) == AcceptEnd::stored);
  Settlement end{mail::QueueId{5}, {change_of(0, ChangeKind::remove)}, {}};
  CHECK(settle(*node.store, end).message_removed);
  CHECK(body_from(*node.transfers, 6, size) == body);
  CHECK(body_from(*node.transfers, 7, size) == body);
  StoreStatus taken = node.transfers->copy(mail::QueueId{6}, mail::QueueId{7});
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.error().kind == Kind::refused);
}

TEST_CASE("what filters make of a message keeps its pieces where the body stays, and no others") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  const std::string body = body_of(20'000);
  put_body(*node.transfers, 5, body);
  NewMessage unjudged = in_file(5, body.size(), false);
  unjudged.recipients[0].destination = kUnjudged;
  REQUIRE(accept(*node.store, unjudged) == AcceptEnd::stored);
  const JudgedMessage judged{mail::QueueId{5}, {{0, false}}};
  SECTION("the same body") {
    put_body(*node.transfers, 5, {});  // what the queue asks for; the store knows better
    NewMessage message = in_file(5, body.size(), true);
    message.judged = judged;
    CHECK(accept(*node.store, message) == AcceptEnd::stored);
    CHECK(body_from(*node.transfers, 5, body.size()) == body);
    CHECK(database.pieces() == 3);
  }
  SECTION("another large one") {
    put_body(*node.transfers, 6, body_of(70'000, 3));
    NewMessage message = in_file(6, 70'000, true);
    message.judged = judged;
    CHECK(accept(*node.store, message) == AcceptEnd::stored);
    CHECK(body_from(*node.transfers, 6, 70'000) == body_of(70'000, 3));
    CHECK(database.pieces() == 9);
  }
  SECTION("a small one") {
    NewMessage message = make_message(5, {"a@x.org"});
    message.judged = judged;
    CHECK(accept(*node.store, message) == AcceptEnd::stored);
    CHECK(database.pieces() == 0);
  }
  SECTION("another large one that was lost on its way") {
    NewMessage message = in_file(6, 70'000, true);
    message.judged = judged;
    CHECK(accept(*node.store, message) == AcceptEnd::failed);
    CHECK(body_from(*node.transfers, 5, body.size()) == body);
    CHECK(database.run("SELECT count(*) FROM message WHERE id = 5 AND bag >= 0") == 1);
  }
}

TEST_CASE("a small message that filters made large has pieces under its own id") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  NewMessage unjudged = make_message(5, {"a@x.org"}, std::string(kUnjudged));
  REQUIRE(accept(*node.store, unjudged) == AcceptEnd::stored);
  put_body(*node.transfers, 5, body_of(70'000, 7));  // of a judgement that a crash has ended
  put_body(*node.transfers, 5, body_of(70'000, 8));
  NewMessage message = in_file(5, 70'000, true);
  message.judged = JudgedMessage{mail::QueueId{5}, {{0, false}}};
  CHECK(accept(*node.store, message) == AcceptEnd::stored);
  CHECK(body_from(*node.transfers, 5, 70'000) == body_of(70'000, 8));
}

TEST_CASE("pieces that no message refers to are found and removed, in steps, and no others") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
  const std::size_t large = kPieceOctets * (kPiecesRemoved + 10);
  put_body(*node.transfers, 10, body_of(large));
  put_body(*node.transfers, 11, body_of(10));
  put_body(*node.transfers, 12, body_of(10));
  put_body(*node.transfers, 13, body_of(10));
  REQUIRE(accept(*node.store, in_file(11, 10, true)) == AcceptEnd::stored);
  REQUIRE(accept(*node.store, in_file(12, 10, false)) == AcceptEnd::stored);
  ContentPieces& pieces = *node.store->pieces();
  auto left = [&](std::uint64_t last) {
    std::vector<std::uint64_t> ids;
    for (unsigned bag = 0; bag < mail::kBags; ++bag)
      for (mail::QueueId after{};;) {
        auto page = pieces.left(bag, after, mail::QueueId{last}, 1);
        REQUIRE(page.ok());
        for (mail::QueueId id : page->ids) ids.push_back(id.value);
        if (!page->seen) break;
        after = *page->seen;
      }
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  CHECK(left(100) == std::vector<std::uint64_t>{10, 13});
  CHECK(left(12) == std::vector<std::uint64_t>{10});
  CHECK(pieces.remove_left(mail::QueueId{10}).take() == kPiecesRemoved);
  CHECK(pieces.remove_left(mail::QueueId{10}).take() == 10);
  CHECK(pieces.remove_left(mail::QueueId{10}).take() == 0);
  CHECK(pieces.remove_left(mail::QueueId{11}).take() == 0);
  CHECK(pieces.remove_left(mail::QueueId{12}).take() == 0);
  database.run("UPDATE bag SET node = 7 WHERE id = " + std::to_string(mail::QueueId{13}.bag()));
  CHECK(left(100).empty());
  CHECK(pieces.remove_left(mail::QueueId{13}).take() == 0);
  CHECK(database.pieces() == 3);
}

TEST_CASE("a node whose term has ended writes no pieces any more") {
  if (!has_server()) return;
  PieceTables database;
  Node first;
  put_body(*first.transfers, 5, body_of(10));
  Node second;
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
  Node node;
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
  Node node;
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
  Node node;
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
  PgOptions direct = Node::database().options();
  PgOptions options = direct;
  options.conninfo =
      "host=" + proxy.folder() + " dbname=" + Node::database().name() + " user=postwain";
  options.first_pause = Duration(0);
  Node node(direct);
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

TEST_CASE("a file becomes pieces, and is made of them again where it is missing or wrong") {
  if (!has_server()) return;
  PieceTables database;
  Node node;
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
  Node node;
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
