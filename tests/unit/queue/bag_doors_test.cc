// Parts of the queue that come and go while it works.
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

std::uint64_t bag_of(std::uint64_t id) {
  return std::uint64_t{1} << mail::QueueId{id}.bag();
}

// Two ids of different bags.
constexpr std::uint64_t kOne = 1;
std::uint64_t other() {
  std::uint64_t id = kOne + 1;
  while (bag_of(id) == bag_of(kOne)) ++id;
  return id;
}

std::vector<std::uint64_t> ids_of(const std::vector<Pick>& picks) {
  std::vector<std::uint64_t> ids;
  for (const Pick& pick : picks) ids.push_back(pick.job.id.value);
  return ids;
}

}  // namespace

TEST_CASE(
    "of a bag that is closed nothing is lent, and what is lent keeps it in use until it ends") {
  AsCompact as_compact(GENERATE(true, false));
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(kOne, {"a@example.org"}));
  std::vector<Pick> lent = rig.leases();
  REQUIRE(lent.size() == 1);
  const std::uint64_t waits = other();
  rig.accept(make_message(waits, {"b@example.org"}));
  CHECK(rig.queue.bags().is_used(bag_of(waits)));

  rig.queue.bags().close(bag_of(kOne) | bag_of(waits));
  rig.run();
  CHECK(rig.leases().empty());
  CHECK_FALSE(rig.queue.bags().is_used(bag_of(waits)));
  CHECK(rig.queue.bags().is_used(bag_of(kOne)));
  CHECK(rig.queue.bags().is_elsewhere(mail::QueueId{waits}));
  rig.end(lent[0], deferred());
  CHECK_FALSE(rig.queue.bags().is_used(bag_of(kOne)));
  rig.pass(std::chrono::minutes(10));
  CHECK(rig.leases().empty());
  CHECK(rig.messages() == 2);

  // It was not given away after all.
  rig.queue.bags().open_again(bag_of(kOne) | bag_of(waits));
  rig.finish_start();
  rig.run();
  CHECK(ids_of(rig.leases()).size() == 2);
}

TEST_CASE("mail that comes for a closed bag is kept, and not lent") {
  AsCompact as_compact(GENERATE(true, false));
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.queue.bags().close(bag_of(kOne));
  rig.accept(make_message(kOne, {"a@example.org"}));
  CHECK(rig.leases().empty());
  CHECK(rig.stored(kOne));
  CHECK_FALSE(rig.queue.bags().is_used(bag_of(kOne)));
}

TEST_CASE("a bag that comes is read, and who may have been delivered is in doubt when he is lent") {
  AsCompact as_compact(GENERATE(true, false));
  Disk disk;
  const std::uint64_t second = other();
  {
    QueueRig former(disk);
    former.start();
    former.accept(make_message(kOne, {"a@example.org", "b@example.org"}));
    former.accept(make_message(second, {"c@example.org"}));
  }
  QueueRig rig(disk);
  rig.queue.bags().begin(0);
  rig.start();
  rig.run();
  CHECK(rig.leases().empty());
  bool done = false;
  rig.queue.bags().open(bag_of(kOne), {{mail::QueueId{kOne}, 1}, {mail::QueueId{77}, 0}},
                        [&] { done = true; });
  CHECK(rig.queue.recorder().left_bags() == (bag_of(kOne) | bag_of(77)));
  rig.finish_start();
  rig.run();
  CHECK(done);
  std::vector<Pick> lent = rig.leases();
  for (std::uint64_t id : ids_of(lent)) CHECK(id == kOne);
  REQUIRE_FALSE(lent.empty());
  WorkingMessage* message = rig.queue.leasing().find(mail::QueueId{kOne});
  REQUIRE(message != nullptr);
  CHECK_FALSE(message->find(0)->in_doubt);
  CHECK(message->find(1)->in_doubt);
  // Nothing is left of 77, and the doubt of the other one is known now.
  CHECK(rig.queue.recorder().left_bags() == 0);
}

// It stayed in the journal, and when the bag came back it could not be given away any more.
TEST_CASE("what is left of an attempt in another node's bag is forgotten at the start") {
  Disk disk;
  const std::uint64_t second = other();
  {
    QueueRig former(disk);
    former.start();
    former.accept(make_message(kOne, {"a@example.org"}));
    former.accept(make_message(second, {"b@example.org"}));
    CHECK(former.leases().size() == 2);
  }
  QueueRig rig(disk);
  rig.queue.bags().begin(bag_of(kOne));
  CHECK(rig.queue.recorder().left_bags() == (bag_of(kOne) | bag_of(second)));
  rig.start();
  CHECK(rig.queue.recorder().left_bags() == bag_of(kOne));
}

TEST_CASE("ids of new messages are of open bags") {
  mail::QueueIdSource ids(7);
  ids.keep_to(bag_of(kOne));
  mail::QueueId last;
  for (int i = 0; i < 200; ++i) {
    mail::QueueId id = ids.next(at(0));
    CHECK(id.is_in(bag_of(kOne)));
    CHECK(id > last);
    last = id;
  }
}

TEST_CASE("what another node has suspended or resumed holds here, too") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(kOne, {"a@example.org"}));
  auto write = [&](DestinationFact fact) {
    QueueStore& store = rig.service.store();
    REQUIRE(store.begin().ok());
    REQUIRE(store.destinations().write({&fact, 1}).ok());
    REQUIRE(store.commit().ok());
    rig.queue.suspensions().look_again();
    rig.run();
  };
  write(Suspension{"mx:example.org", at(0), WallTime::max(), "root at b", "maintenance"});
  CHECK(rig.queue.suspensions().find("mx:example.org", at(1)) != nullptr);
  CHECK(rig.leases().empty());
  // Ours is not forgotten, though it was not committed when the others were read.
  REQUIRE(rig.queue.suspensions().suspend({"mx:example.net", {}, WallTime::max(), "root", ""}));
  rig.queue.suspensions().look_again();
  rig.run();
  CHECK(rig.queue.suspensions().all().size() == 2);
  write(RemoveSuspension{"mx:example.org"});
  CHECK(rig.queue.suspensions().all().size() == 1);
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("a suspension that another node has extended does not end for all when it ends here") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(kOne, {"a@example.org"}));
  const WallTime first = rig.clock.wall() + std::chrono::minutes(10);
  const WallTime later = first + std::chrono::hours(1);
  REQUIRE(rig.queue.suspensions().suspend({"mx:example.org", {}, first, "root", "works"}));
  rig.run();
  DestinationFact extended = Suspension{"mx:example.org", at(0), later, "root at b", "works"};
  QueueStore& store = rig.service.store();
  REQUIRE(store.begin().ok());
  REQUIRE(store.destinations().write({&extended, 1}).ok());
  REQUIRE(store.commit().ok());
  rig.pass(std::chrono::minutes(10));
  CHECK(rig.state().suspensions.size() == 1);
  rig.queue.suspensions().look_again();
  rig.run();
  const Suspension* known = rig.queue.suspensions().find("mx:example.org", rig.clock.wall());
  REQUIRE(known != nullptr);
  CHECK(known->until == later);
  rig.pass(std::chrono::hours(1));
  CHECK(rig.state().suspensions.empty());
  CHECK(rig.leases().size() == 1);
}
