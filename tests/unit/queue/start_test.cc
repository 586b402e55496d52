// The start of the queue (start.h): in which order, and what must not happen before.
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

void suspend(QueueRig& rig, const std::string& name) {
  Suspension suspension;
  suspension.destination = name;
  suspension.author = "alice";
  REQUIRE(rig.queue.suspensions().suspend(suspension));
  rig.run();
}

}  // namespace

TEST_CASE("a queue that was killed goes on with everything, as rows") {
  Disk disk;
  {
    QueueRig before(disk);
    before.start();
    before.accept(make_message(100, {"a@example.org"}));
    before.accept(make_message(101, {"b@example.org"}));
    CHECK(before.leases().size() == 2);
  }
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  CHECK_FALSE(rig.queue.start().holds_known());
  rig.start();
  CHECK(rig.state().compact.empty());
  CHECK(rig.state().messages.size() == 2);
  CHECK(rig.left_known());
  rig.run();
  CHECK(rig.leases().size() == 2);
}

TEST_CASE("totals are not complete before counting has begun") {
  Disk disk;
  QueueRig rig(disk);
  CHECK_FALSE(rig.queue.totals().counts().complete());
  rig.start();
  CHECK(rig.queue.totals().counts().complete());
}

// Fault: a message that was stored before the newest id had been read was counted twice.
TEST_CASE("what is there at the start is counted, and changes meanwhile are not counted twice") {
  Disk disk;
  {
    QueueRig before(disk);
    before.start();
    for (std::uint64_t id = 100; id < 110; ++id)
      before.accept(make_message(id, {"a@example.org", "b@example.org"}));
  }
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.queue.recover();
  rig.queue.acceptance().accept(make_message(200, {"c@example.org"}), [](AcceptEnd) {});
  rig.finish_start();
  rig.run();
  CHECK(rig.queue.totals().counts().messages() == 11);
  CHECK(rig.queue.totals().counts().recipients() == 21);
  rig.queue.totals().look_for_oldest();
  rig.service.run();
  CHECK(rig.queue.totals().oldest() == mail::QueueId{100}.made_at());
}

// Fault: after a kill, mail that came in before the suspensions had been read was routed as if its
// domain were not suspended, and was leased as soon as they were known.
TEST_CASE("mail that comes in before suspensions are known is held by them all the same") {
  Disk disk;
  {
    QueueRig before(disk);
    before.start();
    suspend(before, "domain:example.org");
    suspend(before, "mx:other.example");
  }
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.queue.recover();
  bool early = false;
  rig.queue.acceptance().accept(make_message(100, {"a@example.org", "b@free.example"}),
                                [&](AcceptEnd end) { early = end == AcceptEnd::stored; });
  rig.queue.acceptance().accept(make_message(101, {"c@other.example"}), [](AcceptEnd) {});
  rig.service.turn();
  REQUIRE(early);
  REQUIRE_FALSE(rig.queue.start().holds_known());
  rig.finish_start();
  rig.run();
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 1);
  CHECK(leases[0].job.recipients == std::vector<std::uint32_t>{1});
  rig.pass(std::chrono::hours(1));
  CHECK(rig.leases().empty());
  CHECK(rig.queue.suspensions().resume("domain:example.org", "alice"));
  rig.run();
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("no destination is reachable for a probe before breakers and suspensions are known") {
  Disk disk;
  {
    QueueRig before(disk);
    before.start();
    suspend(before, "mx:example.org");
  }
  QueueRig rig(disk);
  CHECK_FALSE(rig.queue.is_reachable("mx:example.org"));
  CHECK_FALSE(rig.queue.is_reachable("mx:free.example"));
  rig.start();
  CHECK_FALSE(rig.queue.is_reachable("mx:example.org"));
  CHECK(rig.queue.is_reachable("mx:free.example"));
}

TEST_CASE("pages of facts are read to their end") {
  Disk disk;
  {
    QueueRig before(disk);
    before.start();
    for (int i = 0; i < 3; ++i) suspend(before, "mx:s" + std::to_string(i) + ".example");
  }
  for (std::size_t i = 0; i < 2 * kStartPage + 3; ++i) {
    std::string domain = "d" + std::to_string(i) + ".example";
    disk.state->mx_sets[domain] = PutMxSet{{"mx:" + domain, "mx." + domain}, at(0)};
    disk.state->breakers["mx:" + domain] = {"mx:" + domain, 1, at(0), at(1000), "timed out"};
  }
  QueueRig rig(disk);
  rig.start();
  CHECK(rig.queue.suspensions().all().size() == 3);
  for (std::size_t i : {std::size_t{0}, kStartPage, 2 * kStartPage + 2}) {
    std::string destination = "mx:d" + std::to_string(i) + ".example";
    std::optional<Wait> wait = rig.queue.waits().at(destination, at(0));
    REQUIRE(wait);
    CHECK(wait->cause == WaitCause::breaker);
    CHECK(wait->reason == "timed out");
  }
}

TEST_CASE("a breaker to which nothing was sent for a day is forgotten at the start") {
  Disk disk;
  disk.state->breakers["mx:old.example"] = {"mx:old.example", 3, at(0), at(0), "timed out"};
  QueueRig rig(disk, config_of_rig(), std::chrono::hours(25));
  rig.start();
  rig.run();
  CHECK(rig.state().breakers.empty());
  CHECK_FALSE(rig.queue.waits().at("mx:old.example", rig.clock.wall()));
}
