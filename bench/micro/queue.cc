// What the queue manager does for every message: rows, decisions, notices. The database lies in
// memory (/dev/shm), so that the disk is not measured.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "bench/micro/iterations.h"
#include "common/notice/dsn.h"
#include "qmgr/scheduling/scheduler.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "qmgr/store/writing/batch_writer.h"

namespace {

using namespace postwain;
using bench::iterations;
using namespace postwain::qmgr;

const WallTime kNow = from_unix_ms(1'800'000'000'000);

class Folder {
 public:
  Folder() {
    char name[] = "/dev/shm/postwain-micro-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { (void)!std::system(("rm -rf " + path_).c_str()); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string database() const { return path_ + "/queue.db"; }

 private:
  std::string path_;
};

NewMessage message(std::uint64_t id, std::uint32_t recipients, bool is_compact) {
  NewMessage m;
  m.is_compact = is_compact;
  m.info.id = mail::QueueId{id};
  m.info.envelope.reverse_path = mail::Address::from_text("anna@sender.example");
  m.info.arrival = {"ESMTP", "192.0.2.7", "client.example", "", kNow};
  m.content = std::string(4096, 'x');
  m.info.size = m.content.size();
  for (std::uint32_t i = 0; i < recipients; ++i)
    m.recipients.push_back(
        {{mail::Address::from_text("user" + std::to_string(i) + "@example.org"), {}, {}},
         "smtp:relay.example:25"});
  return m;
}

// Sixteen messages in, committed, and out again with the next commit: as under load. is_compact: as
// one value each, which is how mail comes and goes.
void store_in_and_out(benchmark::State& state, std::uint32_t recipients, bool is_compact) {
  Folder folder;
  auto store = SqliteStore::open(folder.database());
  if (!store) return state.SkipWithError("no store");
  BatchWriter writer(**store, nullptr);
  Maintenance& upkeep = (*store)->maintenance();
  constexpr std::uint64_t kBatch = 16;
  std::uint64_t id = 1;
  bool good = true;
  for (auto _ : state) {
    Batch in;
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      in.accepts.push_back(std::make_unique<AcceptRequest>());
      in.accepts.back()->submission.message = message(id + i, recipients, is_compact);
      in.accepts.back()->due = kNow;
    }
    Batch out;
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      out.settles.push_back(std::make_unique<SettleRequest>());
      Settlement& settlement = out.settles.back()->settlement;
      settlement = {mail::QueueId{id + i}, {}, {}, true, false, is_compact, {}};
      for (std::uint32_t r = 0; r < recipients; ++r)
        settlement.changes.push_back({r, ChangeKind::remove, 0, {}, 0, {}, false, false, {}, 0});
    }
    Batch written;
    good = good && writer.write(in, written).ok() && writer.write(out, written).ok();
    for (const auto& request : written.settles) good = good && request->settled.message_removed;
    id += kBatch;
    if (upkeep.log_bytes() > (4 << 20)) good = good && upkeep.checkpoint(true).ok();
  }
  if (!good) state.SkipWithError("the store failed");
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kBatch));
}
void store_one_recipient(benchmark::State& state) {
  store_in_and_out(state, 1, true);
}
void store_fifty_recipients(benchmark::State& state) {
  store_in_and_out(state, 50, true);
}
void store_fifty_as_rows(benchmark::State& state) {
  store_in_and_out(state, 50, false);
}
void store_one_as_rows(benchmark::State& state) {
  store_in_and_out(state, 1, false);
}
BENCHMARK(store_one_recipient)->Apply(iterations);
BENCHMARK(store_fifty_recipients)->Apply(iterations);
BENCHMARK(store_one_as_rows)->Apply(iterations);
BENCHMARK(store_fifty_as_rows)->Apply(iterations);

// A message for one of many destinations: offered, picked, ended.
void scheduler(benchmark::State& state, std::size_t destinations, std::size_t waiting) {
  Scheduler s({}, 1);
  s.configure({std::chrono::minutes(1)}, {std::chrono::seconds(10)});
  s.set_capacity(Pool::smtp, 1000);
  std::vector<DestinationId> ids;
  for (std::size_t i = 0; i < destinations; ++i)
    ids.push_back(s.destination("mx:d" + std::to_string(i) + ".example", {}));
  std::uint64_t next = 1;
  auto offer = [&](DestinationId d) {
    Job job{mail::QueueId{next++}, TrafficClass::interactive, kNow, {0}};
    s.pin(d, 1);
    if (!s.offer(d, job, Scheduler::Source::accepted, kNow)) {
      s.due_at(d, kNow, kNow);
      s.unpin(d, 1, kNow);
    }
  };
  for (std::size_t i = 0; i < waiting; ++i) offer(ids[i % ids.size()]);
  std::size_t turn = 0;
  for (auto _ : state) {
    offer(ids[turn++ % ids.size()]);
    auto pick = s.next(Pool::smtp, kNow);
    if (!pick) continue;
    s.finished(*pick, AttemptEnd::reached, kNow);
    s.unpin(pick->destination, 1, kNow);
  }
  state.SetItemsProcessed(state.iterations());
}
void scheduler_thousand_destinations(benchmark::State& state) {
  scheduler(state, 1000, 0);
}
void scheduler_beside_waiting_work(benchmark::State& state) {
  scheduler(state, 20'000, 20'000);
}
BENCHMARK(scheduler_thousand_destinations)->Apply(iterations);
BENCHMARK(scheduler_beside_waiting_work)->Apply(iterations);

void notice_of_ten(benchmark::State& state) {
  std::string original = "Subject: x\r\nFrom: anna@sender.example\r\n\r\n" + std::string(4000, 'y');
  notice::DsnRequest request;
  request.id = mail::QueueId{5};
  request.original_id = mail::QueueId{4};
  request.action = notice::DsnAction::failed;
  request.hostname = "mx.example.org";
  request.to = request.original_sender = mail::Address::from_text("anna@sender.example");
  request.now = request.arrived_at = kNow;
  request.original_size = original.size();
  for (int i = 0; i < 10; ++i) {
    notice::DsnRecipient one;
    one.recipient.address = mail::Address::from_text("user" + std::to_string(i) + "@example.org");
    one.reply = {550, {5, 1, 1}, "no such user here"};
    one.last_attempt_at = kNow;
    request.recipients.push_back(one);
  }
  for (auto _ : state) benchmark::DoNotOptimize(notice::build_dsn(request, original));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(notice_of_ten)->Apply(iterations);

}  // namespace

BENCHMARK_MAIN();
