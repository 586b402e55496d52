// Reports about recipients that are not in memory (late_outcomes.h, blocked_recipients.h).
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

// A queue that was killed while an agent had message 100.
void make_left(Disk& disk) {
  QueueRig before(disk);
  before.start();
  before.accept(make_message(100, {"a@example.org", "b@example.org"}));
  REQUIRE(before.leases().size() == 1);
}

}  // namespace

TEST_CASE("the late outcome of a former lease ends the recipient") {
  Disk disk;
  make_left(disk);
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.start();
  rig.queue.late_outcomes().settle(mail::QueueId{100}, {{0, delivered()}});
  rig.run();
  auto stored = rig.stored(100);
  REQUIRE(stored);
  REQUIRE(stored->recipients.size() == 1);
  CHECK(stored->recipients[0].index == 1);
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 1);
  CHECK(leases[0].job.recipients == std::vector<std::uint32_t>{1});
}

TEST_CASE("a late failure is told to the sender") {
  Disk disk;
  make_left(disk);
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.start();
  rig.queue.late_outcomes().settle(mail::QueueId{100}, {{0, failed()}, {1, delivered()}});
  rig.run();
  CHECK_FALSE(rig.stored(100));
  CHECK(rig.notices().size() == 1);
}

TEST_CASE("the late outcome of somebody who is leased again does not count") {
  Disk disk;
  make_left(disk);
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.start();
  rig.run();
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 1);
  rig.queue.late_outcomes().settle(mail::QueueId{100}, {{0, failed()}});
  rig.run();
  CHECK(rig.notices().empty());
  rig.end(leases[0], delivered());
  CHECK(rig.messages() == 0);
}

TEST_CASE("who still runs elsewhere is not leased until then, and its neighbour is") {
  Disk disk;
  make_left(disk);
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.queue.late_outcomes().block(mail::QueueId{100}, {0});
  rig.start();
  rig.run();
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 1);
  CHECK(leases[0].job.recipients == std::vector<std::uint32_t>{1});
  rig.queue.late_outcomes().unblock(mail::QueueId{100}, {0});
  rig.run();
  leases = rig.leases();
  REQUIRE(leases.size() == 1);
  CHECK(leases[0].job.recipients == std::vector<std::uint32_t>{0});
}

TEST_CASE("block takes a queued recipient out of the scheduler") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org", "b@example.org"}));
  rig.queue.late_outcomes().block(mail::QueueId{100}, {1});
  rig.run();
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 1);
  CHECK(leases[0].job.recipients == std::vector<std::uint32_t>{0});
}

TEST_CASE("an outcome for a message that is not there is forgotten") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.queue.late_outcomes().settle(mail::QueueId{4711}, {{0, delivered()}});
  rig.run();
  CHECK(rig.messages() == 0);
}

TEST_CASE("blocked recipients are known one by one") {
  BlockedRecipients blocked;
  mail::QueueId id{1};
  CHECK_FALSE(blocked.remove(id, {0}));
  blocked.add(id, {});
  CHECK_FALSE(blocked.has(id, 0));
  blocked.add(id, {0, 2});
  CHECK(blocked.has(id, 0));
  CHECK_FALSE(blocked.has(id, 1));
  CHECK(blocked.remove(id, {0}));
  CHECK_FALSE(blocked.has(id, 0));
  CHECK(blocked.has(id, 2));
}

TEST_CASE("what another node tells counts for whoever is in doubt, and for nobody else") {
  Disk disk;
  make_left(disk);
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.start();
  SECTION("his attempt was left, and a delivery and a failure end it") {
    rig.queue.late_outcomes().settle_told(mail::QueueId{100}, {{0, delivered()}, {1, failed()}});
    rig.run();
    CHECK_FALSE(rig.stored(100));
    CHECK(rig.notices().size() == 1);
  }
  SECTION("he has not been lent since he came") {
    rig.accept(make_message(101, {"a@example.org"}));
    rig.queue.late_outcomes().settle_told(mail::QueueId{101}, {{0, delivered()}});
    rig.run();
    CHECK(rig.stored(101));
  }
  SECTION("he is lent again") {
    rig.run();
    std::vector<Pick> leases = rig.leases();
    REQUIRE(leases.size() == 1);
    rig.queue.late_outcomes().settle_told(mail::QueueId{100}, {{0, failed()}, {1, delivered()}});
    rig.run();
    CHECK(rig.notices().empty());
    CHECK(rig.stored(100)->recipients.size() == 2);
    // The doubt was of the attempt before, and this one ended without any.
    rig.end(leases[0], deferred());
    rig.queue.late_outcomes().settle_told(mail::QueueId{100}, {{0, delivered()}});
    rig.run();
    auto stored = rig.stored(100);
    REQUIRE(stored);
    bool doubt = stored->recipients[0].in_doubt;
    CHECK(stored->recipients.size() == (doubt ? 1 : 2));
  }
}
