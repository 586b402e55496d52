// Bodies of files as pieces in the database: that a message is never there without all of its body,
// and that no pieces stay behind.
#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

#include "qmgr/model/unjudged.h"
#include "tests/unit/store/postgres/piece_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using Kind = StoreError::Kind;

TEST_CASE("a body becomes pieces, and the same octets again") {
  if (!has_server()) return;
  PieceTables database;
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
  PieceNode node;
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
