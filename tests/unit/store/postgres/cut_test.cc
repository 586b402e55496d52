// Nothing is lost or doubled when the connection to the database ends after any byte of a batch, in
// either direction: the batch is written all the same, once, and what the queue holds afterwards is
// what the ledger says.
//
// Every 41st byte in each test run; POSTWAIN_EVERY_BYTE=1 in the environment: all of them.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>

#include "tests/postgres_server/cutting_proxy.h"
#include "tests/unit/store/postgres/pg_support.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::removal;

namespace {

// Recipients by message.
using Ledger = std::map<std::uint64_t, std::size_t>;

void accept(Batch& batch, NewMessage message) {
  batch.accepts.push_back(std::make_unique<AcceptRequest>());
  batch.accepts.back()->submission.message = std::move(message);
  batch.accepts.back()->due = at(0);
}

void settle(Batch& batch, Settlement settlement) {
  batch.settles.push_back(std::make_unique<SettleRequest>());
  batch.settles.back()->settlement = std::move(settlement);
}

Settlement whole(std::uint64_t id, bool is_compact) {
  Settlement end{mail::QueueId{id}, {removal(0)}, {}};
  end.maybe_all = true;
  end.is_compact = is_compact;
  return end;
}

Settlement deferred(std::uint64_t id) {
  RecipientChange change;
  change.destination = "mx:example.org";
  change.attempts = 1;
  change.next_attempt_at = at(5000);
  return {mail::QueueId{id}, {change}, {}};
}

// One recipient was delivered; the other failed, which its sender is told.
Settlement bounced(std::uint64_t id, std::uint64_t notice) {
  NoticeOrder order;
  order.request.id = mail::QueueId{notice};
  order.request.original_id = mail::QueueId{id};
  order.request.to = mail::Address::from_text("sender@example.com");
  order.request.hostname = "mx.test";
  order.request.now = at(10);
  order.request.original_size = 60;
  order.indices = {0};
  order.request.recipients.resize(1);
  order.request.recipients[0].recipient.address = mail::Address::from_text("a@example.org");
  order.request.recipients[0].reply = {550, {5, 1, 1}, "no such user"};
  order.recipients.push_back({{order.request.to, {}, {}}, "mx:example.com"});
  return {mail::QueueId{id}, {removal(0), removal(1)}, {order}};
}

// What happens in one round: its messages come, those of the round before have their outcomes, and
// what that left of them ends in the round after.
Batch batch_of(std::uint64_t round) {
  Batch batch;
  const std::uint64_t now = round * 100;
  const std::uint64_t before = now - 100;
  test::AsCompact as_compact(true);
  for (std::uint64_t i = 1; i <= 3; ++i) accept(batch, test::make_message(now + i, {"a@x.org"}));
  NewMessage rows = test::make_message(now + 4, {"a@example.org", "b@example.org"});
  rows.is_compact = false;
  accept(batch, std::move(rows));
  if (round > 1) {
    settle(batch, whole(before + 1, true));
    settle(batch, whole(before + 2, true));
    settle(batch, deferred(before + 3));
    settle(batch, bounced(before + 4, before + 50));
  }
  if (round > 2) {
    settle(batch, whole(before - 100 + 3, false));
    settle(batch, whole(before - 100 + 50, false));
  }
  return batch;
}

Ledger ledger_after(std::uint64_t round) {
  const std::uint64_t now = round * 100;
  return {{now + 1, 1}, {now + 2, 1}, {now + 3, 1}, {now + 4, 2}, {now - 97, 1}, {now - 50, 1}};
}

Ledger found_in(QueueStore& store) {
  auto page = QueueWalk(store).list({}, mail::QueueId{INT64_MAX}, 1000, 1000);
  if (!page) FAIL(page.error().text);
  Ledger found;
  for (const StoredMessage& one : page->parts) {
    CHECK(found.count(one.info.id.value) == 0);
    found[one.info.id.value] = one.recipients.size();
  }
  return found;
}

// Writes the round's batch; every request has the answer that it has on a good day.
void write_round(PgStore& store, std::uint64_t round) {
  Batch batch = batch_of(round);
  Batch written;
  StoreStatus done = BatchWriter(store, nullptr).write(batch, written);
  if (!done) FAIL(name_of(done.error().kind) << ": " << done.error().text);
  REQUIRE(batch.empty());
  for (const auto& request : written.accepts) CHECK(request->end == AcceptEnd::stored);
  for (const auto& request : written.settles) {
    CHECK(request->error.empty());
    CHECK(request->settled.changed.size() == request->settlement.changes.size());
    CHECK(request->settled.notices.size() == request->settlement.notices.size());
  }
}

}  // namespace

TEST_CASE("nothing is lost or doubled, after whichever byte the connection is cut") {
  if (!test::has_server()) return;
  const std::size_t stride = std::getenv("POSTWAIN_EVERY_BYTE") != nullptr ? 1 : 41;
  test::PostgresDatabase database;
  test::CuttingProxy proxy(test::PostgresServer::get()->folder());
  PgOptions options = database.options();
  options.conninfo = "host=" + proxy.folder() + " dbname=" + database.name() + " user=postwain";
  auto store = test::opened(options);
  std::uint64_t round = 0;
  for (int i = 0; i < 3; ++i) write_round(*store, ++round);
  using Direction = test::CuttingProxy::Direction;
  std::size_t cuts = 0;
  for (Direction direction : {Direction::to_server, Direction::to_client})
    for (std::size_t k = 0;; k += stride) {
      CAPTURE(round, k, direction == Direction::to_server);
      proxy.cut_after(direction, k);
      write_round(*store, ++round);
      bool was_cut = proxy.stop_cutting();
      REQUIRE(found_in(*store) == ledger_after(round));
      if (!was_cut) break;
      ++cuts;
      REQUIRE(cuts < 60000);
    }
  // Each of them took a session, and each session the lane.
  CHECK(cuts * stride > 4000);
  CHECK(store->session().token() == static_cast<std::int64_t>(cuts) + 1);
  CHECK(database.run("SELECT count(*) FROM attempt") == 1);
}
