// What a batch costs: round trips, and bytes of the server's log for each message. Figures for
// people, of a run that somebody asks for ("[cost]"); only the round trips are a promise.
#include <catch2/catch.hpp>

#include <cstdio>

#include "qmgr/store/writing/batch_writer.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

constexpr std::uint64_t kAtOnce = 50;

// Messages first to first + 49 come, the fifty before them are delivered.
Batch traffic(std::uint64_t first) {
  Batch batch;
  test::AsCompact as_compact(true);
  for (std::uint64_t id = first; id < first + kAtOnce; ++id) {
    batch.accepts.push_back(std::make_unique<AcceptRequest>());
    NewMessage& message = batch.accepts.back()->submission.message;
    message = test::make_message(id, {"a@example.org"});
    message.content.resize(4096, 'x');
    message.info.size = message.content.size();
    if (first <= kAtOnce) continue;
    RecipientChange gone;
    gone.kind = ChangeKind::remove;
    batch.settles.push_back(std::make_unique<SettleRequest>());
    Settlement& settlement = batch.settles.back()->settlement;
    settlement = {mail::QueueId{id - kAtOnce}, {gone}, {}};
    settlement.maybe_all = settlement.is_compact = true;
  }
  return batch;
}

void write_traffic(PgStore& store, std::uint64_t first) {
  Batch batch = traffic(first);
  Batch written;
  REQUIRE(BatchWriter(store, nullptr).write(batch, written).ok());
}

}  // namespace

TEST_CASE("a batch of arrivals and deliveries takes three round trips, whatever its size") {
  if (!test::has_server()) return;
  test::PostgresDatabase database;
  auto store = test::opened(database.options());
  write_traffic(*store, kAtOnce);
  std::uint64_t before = store->session().round_trips();
  write_traffic(*store, 2 * kAtOnce);
  // The deliveries, the arrivals, and the commit with its fence.
  CHECK(store->session().round_trips() - before == 3);
}

TEST_CASE("what the log has of fifty arrivals and fifty deliveries", "[.][cost]") {
  REQUIRE(test::PostgresServer::get() != nullptr);
  test::PostgresDatabase database;
  auto store = test::opened(database.options());
  constexpr std::uint64_t kBatches = 200;
  std::uint64_t first = kAtOnce;
  for (int i = 0; i < 20; ++i) write_traffic(*store, first += kAtOnce);
  database.run("CHECKPOINT");
  auto bytes = [&] { return database.run("SELECT pg_current_wal_insert_lsn() - '0/0'"); };
  auto images = [&] { return database.run("SELECT wal_fpi FROM pg_stat_wal"); };
  std::int64_t bytes_before = bytes();
  std::int64_t images_before = images();
  auto began = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < kBatches; ++i) write_traffic(*store, first += kAtOnce);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("WAL bytes for each message of 4096 octets: %ld; page images: %ld; %.0f messages/s\n",
              static_cast<long>(bytes() - bytes_before) / static_cast<long>(kBatches * kAtOnce),
              static_cast<long>(images() - images_before), kBatches * kAtOnce / took.count());
}
