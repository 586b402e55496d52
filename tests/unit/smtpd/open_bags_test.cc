// The ids of new messages, where several machines share the queue.
#include <catch2/catch.hpp>

#include "tests/unit/smtpd/session_rig.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace postwain::smtpd::test;

namespace {

bool all_in(QueueLink& link, std::uint64_t bags) {
  for (int i = 0; i < 300; ++i)
    if (!link.next_id(wall_now()).is_in(bags)) return false;
  return true;
}

}  // namespace

TEST_CASE("B1: bags: ids are of those that qmgr has said last, and of any for a new qmgr") {
  Bench bench;
  CHECK_FALSE(all_in(*bench.queue_link, 0xFFFF));
  bench.qmgr->say(ipc::OpenBags{0xFFFF});
  bench.until([&] { return all_in(*bench.queue_link, 0xFFFF); });
  bench.qmgr->say(ipc::OpenBags{1});
  bench.until([&] { return all_in(*bench.queue_link, 1); });
  bench.qmgr.reset();
  bench.until([&] { return !bench.queue_link->up(); });
  bench.qmgr = std::make_unique<FakeQmgr>(bench.loop, bench.path);
  bench.until([&] { return bench.queue_link->up(); });
  CHECK_FALSE(all_in(*bench.queue_link, 0xFFFF));
  bench.qmgr->say(ipc::OpenBags{2});
  bench.until([&] { return all_in(*bench.queue_link, 2); });
  bench.qmgr->say(ipc::OpenBags{mail::kAllBags});
  bench.until([&] { return !all_in(*bench.queue_link, 2); });
}
