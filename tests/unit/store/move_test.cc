// All mail of one store into another: between all engines, and with an end at each commit.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <memory>

#include <fmt/format.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "qmgr/moving/move_queue.h"
#include "qmgr/moving/row_message.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

const mail::QueueId kLast{~std::uint64_t{0} >> 1};

struct Place {
  explicit Place(Engine engine, std::string contents = {})
      : store(engine), files(contents.empty() ? folder.path() + "/content" : contents) {
    REQUIRE(files.create());
  }
  QueuePlace place() { return {*store, files}; }

  TempFolder folder;
  StoreUnderTest store;
  ContentFolder files;
};

std::string text_of(const StoredRecipient& r) {
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {}\n", r.index,
                     r.recipient.address.text(), static_cast<int>(r.state), r.destination,
                     r.attempts, to_unix_ms(r.next_attempt_at), r.in_doubt, r.delay_warned,
                     to_unix_ms(r.last.at), static_cast<int>(r.last.stage), r.last.reply.one_line(),
                     r.last.remote_host, r.crashes, r.recipient.orcpt);
}

// Everything that a store has of mail, in words.
std::string all_of(Place& place) {
  std::string out;
  auto values = place.store->compact().page({}, kLast, 1000);
  REQUIRE(values.ok());
  for (const auto& value : values->values)
    out += fmt::format("compact {} {} {}\n", value.id.text(), hex_encode(value.data), value.rest);
  auto infos = place.store->rows().page({}, kLast, 1000);
  REQUIRE(infos.ok());
  for (const MessageInfo& info : *infos) {
    auto message = read_row_message(*place.store, info);
    REQUIRE(message.ok());
    out += fmt::format("rows {} {} {} {} {} {} {}\n", info.id.text(),
                       info.envelope.reverse_path.text(), info.size, info.in_file, info.header_size,
                       to_unix_ms(info.arrival.received_at), hex_encode(message->content));
    for (const StoredRecipient& one : message->recipients) out += text_of(one);
  }
  auto held = place.store->destinations().suspensions("", 100);
  REQUIRE(held.ok());
  for (const Suspension& one : *held) out += "suspended " + one.destination + "\n";
  return out;
}

}  // namespace

namespace {

RecipientChange state_of(std::uint32_t index, ChangeKind kind) {
  RecipientChange change;
  change.index = index;
  change.kind = kind;
  change.destination = "mx:elsewhere.example";
  change.attempts = 3 + index;
  change.next_attempt_at = at(5000 + index);
  change.in_doubt = index % 2 == 1;
  change.delay_warned = index % 3 == 1;
  change.crashes = index;
  change.last = {at(1), mail::Stage::rcpt, {450, {4, 2, 1}, "gr\xE9ylisted"}, "mx.example.org"};
  return change;
}

// Mail of all forms: values, values of which a part is settled, rows in all states, a content in a
// file, and what operators and next hops have said.
void fill(Place& place) {
  for (std::uint64_t id = 1; id <= 450; ++id) {
    AsCompact as_compact(id % 3 != 0);
    NewMessage message = make_message(id, {"a@x.test", "b@x.test", "c@y.test", "d@z.test"});
    if (id == 9) {
      message.info.in_file = true;
      message.info.size = 20;
      message.content.clear();
      std::ofstream(place.files.file_of(message.info.id)) << "From: a\r\n\r\nbody...\r\n";
      std::filesystem::resize_file(place.files.file_of(message.info.id), 20);
    }
    place.store.put(message);
  }
  for (std::uint64_t id : {1, 3, 9, 12, 449})
    place.store.settle(Settlement{mail::QueueId{id}, {removal(1)}, {}});
  for (std::uint64_t id : {3, 6, 9}) {
    Settlement settlement;
    settlement.id = mail::QueueId{id};
    settlement.changes = {state_of(0, ChangeKind::defer), state_of(2, ChangeKind::quarantine),
                          state_of(3, ChangeKind::hold)};
    place.store.settle(settlement);
  }
  place.store.note({DestinationFact(Suspension{"mx:x.test", at(1), at(9), "ann", "moving"})});
}

// Ends a move at its n-th commit: before it, or behind it with its answer lost.
class EndingStore final : public QueueStore {
 public:
  EndingStore(QueueStore& store, int& commits, bool behind)
      : store_(store), commits_(commits), behind_(behind) {}

  StoreStatus begin() override { return store_.begin(); }
  StoreStatus commit() override {
    if (--commits_ != 0) return store_.commit();
    if (behind_) (void)store_.commit();
    return StoreError{StoreError::Kind::broken, "the end"};
  }
  void roll_back() override { store_.roll_back(); }
  CompactMessages& compact() override { return store_.compact(); }
  MessageRows& rows() override { return store_.rows(); }
  RowScan& scan() override { return store_.scan(); }
  WaitingRows& waiting() override { return store_.waiting(); }
  DestinationFacts& destinations() override { return store_.destinations(); }
  RecipientChecks& recipient_checks() override { return store_.recipient_checks(); }
  ClockMemory& clock() override { return store_.clock(); }
  Maintenance& maintenance() override { return store_.maintenance(); }
  ContentPieces* pieces() override { return store_.pieces(); }

 private:
  QueueStore& store_;
  int& commits_;
  bool behind_;
};

}  // namespace

TEST_CASE("all mail of a queue goes into another store, and back, as it was") {
  Place here(Engine::sqlite);
  fill(here);
  const std::string before = all_of(here);
  for (Engine engine : engines()) {
    CAPTURE(static_cast<int>(engine));
    Place there(engine);
    auto moved = move_queue(here.place(), there.place());
    if (!moved) FAIL(moved.error().text);
    CHECK(moved->messages == 450);
    CHECK(moved->recipients == 450 * 4 - 5);
    CHECK(all_of(here).empty());
    CHECK(all_of(there) == before);
    CHECK(there.files.open(mail::QueueId{9}, 20).ok());
    CHECK_FALSE(here.files.open(mail::QueueId{9}, 20).ok());  // nobody would free it there
    auto again = move_queue(here.place(), there.place());
    REQUIRE(again.ok());
    CHECK(again->messages == 0);
    REQUIRE(move_queue(there.place(), here.place()).ok());
    CHECK(all_of(there).empty());
    CHECK(all_of(here) == before);
  }
}

TEST_CASE("a move that ends at any commit loses nothing, and the next one goes on") {
  bool behind = GENERATE(false, true);
  Place reference(Engine::sqlite);
  fill(reference);
  const std::string before = all_of(reference);
  int ends = 0;
  for (int n = 1;; ++n) {
    Place here(Engine::memory);
    fill(here);
    Place there(Engine::sqlite);
    int commits = n;
    EndingStore from(*here.store, commits, behind);
    EndingStore to(*there.store, commits, behind);
    auto moved = move_queue({from, here.files}, {to, there.files});
    if (moved) break;
    ++ends;
    REQUIRE(move_queue(here.place(), there.place()).ok());
    CHECK(all_of(here).empty());
    CHECK(all_of(there) == before);
  }
  CHECK(ends > 5);
}

TEST_CASE("contents move to another disk, also over what a copy left unfinished") {
  char name[] = "/dev/shm/pw-move-XXXXXX";
  if (::mkdtemp(name) == nullptr) return;
  std::shared_ptr<char> removed(name, [](char* path) { std::filesystem::remove_all(path); });
  Place here(Engine::sqlite);
  fill(here);
  Place there(Engine::sqlite, std::string(name) + "/content");
  std::ofstream(there.files.file_of(mail::QueueId{9})) << "From";
  auto moved = move_queue(here.place(), there.place());
  if (!moved) FAIL(moved.error().text);
  CHECK(there.files.read(mail::QueueId{9}, 0, 100).take() == "From: a\r\n\r\nbody...\r\n");
  CHECK_FALSE(here.files.open(mail::QueueId{9}, 20).ok());
}

TEST_CASE("a content that is not there keeps its message where it is") {
  Place here(Engine::sqlite);
  fill(here);
  const std::string before = all_of(here);
  REQUIRE(here.files.remove(mail::QueueId{9}));
  Place there(Engine::memory);
  auto moved = move_queue(here.place(), there.place());
  REQUIRE_FALSE(moved.ok());
  CHECK(moved.error().text.find("its content") != std::string::npos);
  CHECK((all_of(here) + all_of(there)).find(mail::QueueId{9}.text()) != std::string::npos);
}

TEST_CASE("time that passed unseen goes with the mail, also into a store that was in use before") {
  Place here(Engine::sqlite);
  Place there(Engine::memory);
  using std::chrono::seconds;
  here.store.note({ClockFact(AllClockGaps{{{at(1000), seconds(60)}, {at(9000), seconds(5)}}}),
                   ClockFact(LastSeen{at(20000)})});
  there.store.note({ClockFact(AllClockGaps{{{at(1000), seconds(60)}, {at(4000), seconds(7)}}}),
                    ClockFact(LastSeen{at(8000)})});
  REQUIRE(move_queue(here.place(), there.place()).ok());
  auto clock = there.store->clock().read();
  REQUIRE(clock.ok());
  CHECK(clock->last_seen == at(20000));
  REQUIRE(clock->gaps.size() == 3);
  CHECK(clock->gaps[1].at == at(4000));
  CHECK(clock->gaps[2].length == seconds(5));
}

TEST_CASE("another message with the same id is not written over, and nothing is removed") {
  bool compact = GENERATE(false, true);
  AsCompact as_compact(compact);
  Place here(Engine::sqlite);
  Place there(Engine::memory);
  here.store.put(make_message(7, {"a@x.test"}));
  there.store.put(make_message(7, {"a@x.test"}, "mx:example.org", "somebody@else.test"));
  const std::string before = all_of(here);
  const std::string other = all_of(there);
  auto moved = move_queue(here.place(), there.place());
  REQUIRE_FALSE(moved.ok());
  CHECK(moved.error().kind == StoreError::Kind::refused);
  CHECK(moved.error().text.find("another message with this id") != std::string::npos);
  CHECK(all_of(here) == before);
  CHECK(all_of(there) == other);
}
