// The system's clock as the queue watches it (clock_watch.h).
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

TEST_CASE("a clock that runs evenly is stored from time to time, one that jumps is told") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  ClockWatch& watch = rig.queue.clock_watch();
  auto look = [&] {
    bool jumped = watch.look(rig.clock.wall(), rig.clock.mono());
    rig.run();
    return jumped;
  };
  CHECK_FALSE(look());
  CHECK(rig.state().clock.last_seen == rig.clock.wall());
  WallTime stored = rig.clock.wall();
  rig.pass(std::chrono::seconds(30));
  CHECK_FALSE(look());
  CHECK(rig.state().clock.last_seen == stored);
  rig.pass(kClockHeartbeat);
  CHECK_FALSE(look());
  CHECK(rig.state().clock.last_seen == rig.clock.wall());

  stored = rig.clock.wall();
  rig.clock.set_wall(rig.clock.wall() + std::chrono::hours(24));
  CHECK(look());
  CHECK(watch.observed().unobserved_since(stored) >= std::chrono::hours(23));
  CHECK(rig.state().clock.gaps.size() == 1);

  stored = rig.state().clock.last_seen;
  rig.clock.set_wall(rig.clock.wall() - std::chrono::hours(48));
  CHECK(look());
  CHECK(rig.state().clock.last_seen == stored);  // so that the next start sees it, too
}
