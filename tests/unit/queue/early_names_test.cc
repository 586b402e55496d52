// Attempts that are named by the batch that stores their message (early_names.h).
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

// A queue that several machines share.
struct SharedRig : QueueRig {
  explicit SharedRig(Disk& disk, const config::Config& config = config_of_rig())
      : QueueRig(disk, config) {
    disk.state->is_shared = true;
    start();
    queue.early_names().set_lending(true);
  }
  EarlyNames& early() { return queue.early_names(); }
  std::size_t named() { return state().names.size(); }
  void end_unused() {
    pass(kEarlyNameStays);
    early().end_unused();
    run();
  }
  // As many messages as that go to the store together.
  void accept_some(std::uint64_t from, std::size_t count) {
    for (std::uint64_t id = from; id < from + count; ++id)
      queue.acceptance().accept(make_message(id, {"a@example.org"}), [](AcceptEnd) {});
    run();
  }
};

}  // namespace

TEST_CASE("new mail with a free place is named by the batch that stores it") {
  Disk disk;
  SharedRig rig(disk);
  rig.accept(make_message(100, {"a@example.org", "b@example.org", "c@example.net"}));
  CHECK(rig.named() == 3);
  for (const Pick& pick : rig.leases()) CHECK(rig.early().take(pick));
  rig.end_unused();
  CHECK(rig.named() == 3);  // they are the leases' now
}

TEST_CASE("where nothing is lent, and where one machine has the queue, nobody is named early") {
  Disk disk;
  {
    SharedRig rig(disk);
    rig.early().set_lending(false);
    rig.accept(make_message(100, {"a@example.org"}));
    CHECK(rig.named() == 0);
  }
  Disk alone;
  QueueRig rig(alone);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  for (const Pick& pick : rig.leases()) CHECK_FALSE(rig.queue.early_names().take(pick));
}

TEST_CASE("a name that no lease takes is ended") {
  Disk disk;
  SharedRig rig(disk);
  rig.accept(make_message(100, {"a@example.org"}));
  REQUIRE(rig.named() == 1);
  rig.early().end_unused();
  rig.run();
  CHECK(rig.named() == 1);  // it may be lent yet
  rig.end_unused();
  CHECK(rig.named() == 0);
  for (const Pick& pick : rig.leases()) CHECK_FALSE(rig.early().take(pick));
}

TEST_CASE("a lease that names its recipients itself does not lose them later") {
  Disk disk;
  SharedRig rig(disk);
  rig.accept(make_message(100, {"a@example.org", "b@example.org"}));
  REQUIRE(rig.named() == 2);
  std::vector<Pick> picks = rig.leases();
  REQUIRE(picks.size() == 1);
  Pick with_another = picks[0];
  with_another.job.recipients.push_back(7);
  CHECK_FALSE(rig.early().take(with_another));
  rig.end_unused();
  CHECK(rig.named() == 2);
}

TEST_CASE("what waits for a busy destination is not named") {
  Disk disk;
  SharedRig rig(disk);
  rig.accept_some(100, 40);
  const std::size_t first = rig.named();
  CHECK(first <= kWindowInitial);
  CHECK(first > 0);
  std::vector<Pick> running = rig.leases();
  for (const Pick& pick : running) (void)rig.early().take(pick);
  rig.end_unused();
  const std::size_t lent = rig.named();
  CHECK(lent <= running.size());
  for (std::uint64_t id = 200; id < 240; ++id) {
    rig.accept(make_message(id, {"a@example.org"}));
    CHECK(rig.leases().empty());
    rig.end_unused();
  }
  CHECK(rig.named() == lent);
  rig.accept_some(300, 40);
  CHECK(rig.named() == lent);
}

TEST_CASE("where new mail is lent as places become free, it is named although none is free yet") {
  Disk disk;
  SharedRig rig(disk);
  std::uint64_t id = 100;
  std::vector<Pick> running;
  // The window grows, and is full whenever new mail comes.
  for (int round = 0; round < 100; ++round) {
    while (running.size() < kWindowMax) {
      rig.accept(make_message(id++, {"a@example.org"}));
      std::vector<Pick> more = rig.leases();
      if (more.empty()) break;
      for (Pick& pick : more) {
        (void)rig.early().take(pick);
        running.push_back(std::move(pick));
      }
    }
    for (std::size_t i = 0; i < 3 && !running.empty(); ++i) {
      rig.end(running.front(), delivered());
      running.erase(running.begin());
    }
    for (Pick& pick : rig.leases()) {
      (void)rig.early().take(pick);
      running.push_back(std::move(pick));
    }
  }
  const std::size_t before = rig.named();
  rig.accept(make_message(id, {"a@example.org"}));
  CHECK(rig.named() == before + 1);
}

TEST_CASE("mail that goes nowhere at once is not named: held, discarded, or for a breaker") {
  config::Config config = config_of_rig();
  config::Route route;
  route.match = {"void.example"};
  route.deliver = *mail::NextHop::parse("discard");
  config.routes.push_back(route);
  Disk disk;
  SharedRig rig(disk, config);
  NewMessage held = make_message(100, {"a@example.org"});
  held.held_for = "an operator";
  rig.accept(std::move(held));
  rig.accept(make_message(101, {"a@void.example"}));
  CHECK(rig.named() == 0);
  for (std::uint32_t i = 0; i < kCohort; ++i) {
    rig.accept(make_message(200 + i, {"a@dead.example"}));
    for (const Pick& pick : rig.leases()) {
      (void)rig.early().take(pick);
      rig.end(pick, unreachable());
    }
  }
  const std::size_t before = rig.named();
  rig.accept(make_message(300, {"a@dead.example"}));
  CHECK(rig.named() == before);
}

TEST_CASE("places that were kept for mail that was refused are given back") {
  Disk disk;
  SharedRig rig(disk);
  rig.accept(make_message(100, {"a@example.org"}));
  REQUIRE(rig.named() == 1);
  std::vector<Pick> picks = rig.leases();
  REQUIRE(picks.size() == 1);
  CHECK(rig.early().take(picks[0]));
  for (int i = 0; i < 20; ++i) {
    NewMessage same = make_message(100, {"a@example.org"});
    same.info.size += 1;  // another message with the same id
    const AcceptEnd end = rig.accept(std::move(same));
    CHECK(end == AcceptEnd::conflict);
  }
  CHECK(rig.named() == 1);
  rig.accept(make_message(101, {"a@example.org"}));
  CHECK(rig.named() == 2);
}
