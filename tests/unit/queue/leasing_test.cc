// Leases and what their ends mean (leasing.h).
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

// The agent that had it died.
void crash(QueueRig& rig, const Pick& pick) {
  mail::Outcome lost = deferred();
  lost.stage = mail::Stage::local;
  lost.blame = mail::Blame::local;
  lost.reply = {};
  std::vector<IndexedOutcome> outcomes;
  for (std::uint32_t index : pick.job.recipients) outcomes.push_back({index, lost, true});
  rig.queue.leasing().settle(pick.job.id, std::move(outcomes));
  rig.queue.leasing().finished(pick, {}, {});
  rig.run();
}

}  // namespace

TEST_CASE("a message that agents died of is tried alone, and then held") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  for (std::uint32_t crashes = 0; crashes < kCrashesHeld; ++crashes) {
    std::vector<Pick> leases;
    for (int i = 0; i < 100 && leases.empty(); ++i) {
      leases = rig.leases();
      if (leases.empty()) rig.pass(std::chrono::minutes(1));
    }
    REQUIRE(leases.size() == 1);
    CAPTURE(crashes);
    CHECK(rig.queue.leasing().is_suspect(leases[0]) == (crashes >= kCrashesAlone));
    crash(rig, leases[0]);
  }
  rig.pass(std::chrono::hours(1));
  CHECK(rig.leases().empty());
  auto stored = rig.stored(100);
  REQUIRE(stored);
  CHECK(stored->recipients[0].state == RecipientState::held);
}

TEST_CASE("a lease knows its route and the kind of its agent") {
  config::Config config = config_of_rig();
  config::Route route;
  route.match = {"store.example"};
  route.deliver = *mail::NextHop::parse("lmtp:127.0.0.1:24");
  route.hold_in_doubt = true;
  config.routes.push_back(route);
  Disk disk;
  QueueRig rig(disk, config);
  rig.start();
  rig.accept(make_message(100, {"a@store.example"}));
  std::vector<Pick> leases = rig.leases(Pool::lmtp);
  REQUIRE(leases.size() == 1);
  CHECK(rig.queue.leasing().pool_of(leases[0]) == Pool::lmtp);
  WorkingMessage* message = rig.queue.leasing().find(mail::QueueId{100});
  REQUIRE(message != nullptr);
  CHECK(rig.queue.leasing().route_of(*message, leases[0].job).settings->hold_in_doubt);
}

TEST_CASE("what a former qmgr had leased is forgotten when it is leased anew") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  LentBefore& before = rig.queue.leasing().lent_before();
  before.add(mail::QueueId{100}, 0, Pool::smtp);
  CHECK(rig.leases().size() == 1);
  CHECK(before.empty());
}
