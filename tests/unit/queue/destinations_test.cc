// What is known of destinations: breakers, MX sets, STS policies, suspensions, and why mail waits.
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

Suspension suspension(const std::string& name, WallTime until = WallTime::max()) {
  Suspension out;
  out.destination = name;
  out.until = until;
  out.author = "alice";
  out.reason = "maintenance";
  return out;
}

// As many messages as it takes until the breaker opens.
void break_destination(QueueRig& rig, const std::string& recipient, std::uint64_t id = 1000) {
  for (int i = 0; i < 50; ++i) {
    rig.accept(make_message(id + static_cast<std::uint64_t>(i), {recipient}));
    for (const Pick& pick : rig.leases()) rig.end(pick, unreachable());
  }
}

}  // namespace

TEST_CASE("a suspended destination gets nothing until it is resumed") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  REQUIRE(rig.queue.suspensions().suspend(suspension("mx:example.org")));
  rig.accept(make_message(100, {"a@example.org", "b@free.example"}));
  CHECK(rig.leases().size() == 1);
  std::optional<Wait> wait = rig.queue.waits().at("mx:example.org", rig.clock.wall());
  REQUIRE(wait);
  CHECK(wait->cause == WaitCause::suspension);
  CHECK(wait->by == "alice");
  CHECK(rig.state().suspensions.size() == 1);
  CHECK(rig.queue.suspensions().resume("mx:example.org", "alice"));
  CHECK_FALSE(rig.queue.suspensions().resume("mx:example.org", "alice"));
  rig.run();
  CHECK(rig.state().suspensions.empty());
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("a suspension whose time is over ends by itself") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.queue.suspensions().suspend(
      suspension("domain:example.org", rig.clock.wall() + std::chrono::hours(1)));
  rig.accept(make_message(100, {"a@example.org"}));
  CHECK(rig.leases().empty());
  rig.pass(std::chrono::minutes(59));
  CHECK(rig.leases().empty());
  rig.pass(std::chrono::minutes(1));
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("a suspended domain takes its mail out of memory, and other mail for the hop goes on") {
  config::Config config = config_of_rig();
  config::Route route;
  route.match = {"*"};
  route.deliver = *mail::NextHop::parse("smtp:relay.example:25");
  config.routes.push_back(route);
  Disk disk;
  QueueRig rig(disk, config);
  rig.start();
  rig.accept(make_message(100, {"a@example.org", "b@free.example"}));
  rig.accept(make_message(101, {"c@free.example"}));
  REQUIRE(rig.queue.suspensions().suspend(suspension("domain:example.org")));
  rig.run();
  std::vector<std::vector<std::uint32_t>> leased;
  for (const Pick& pick : rig.leases()) leased.push_back(pick.job.recipients);
  std::sort(leased.begin(), leased.end());
  CHECK(leased == std::vector<std::vector<std::uint32_t>>{{0}, {1}});
  CHECK_FALSE(rig.queue.is_reachable("smtp:relay.example:25 domain=example.org"));
}

TEST_CASE("no more suspensions are kept than there is room for, but each can be renewed") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  for (std::size_t i = 0; i < kSuspensionsMax; ++i)
    REQUIRE(rig.queue.suspensions().suspend(suspension("mx:d" + std::to_string(i) + ".example")));
  CHECK_FALSE(rig.queue.suspensions().suspend(suspension("mx:more.example")));
  CHECK(rig.queue.suspensions().suspend(suspension("mx:d7.example")));
}

TEST_CASE("a breaker that opens is stored with its reason, and is there after a start") {
  Disk disk;
  {
    QueueRig rig(disk);
    rig.start();
    break_destination(rig, "a@example.org");
    std::optional<Wait> wait = rig.queue.waits().at("mx:example.org", rig.clock.wall());
    REQUIRE(wait);
    CHECK(wait->cause == WaitCause::breaker);
    CHECK_FALSE(wait->reason.empty());
    CHECK(rig.state().breakers.size() == 1);
  }
  QueueRig rig(disk);
  rig.start();
  CHECK(rig.queue.waits().at("mx:example.org", rig.clock.wall()));
}

TEST_CASE("when a destination is back its oldest recipients do not wait for their schedule") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  break_destination(rig, "a@example.org");
  std::size_t waiting = rig.messages();
  REQUIRE(waiting > 1);
  std::vector<Pick> leases;
  for (int i = 0; i < 100 && leases.empty(); ++i) {
    rig.pass(std::chrono::minutes(1));
    leases = rig.leases();
  }
  REQUIRE(leases.size() >= 1);
  for (const Pick& pick : leases) rig.end(pick, delivered());
  CHECK(rig.state().breakers.empty());
  CHECK_FALSE(rig.queue.waits().at("mx:example.org", rig.clock.wall()));
  for (int i = 0; i < 100 && rig.messages() > 0; ++i) {
    for (const Pick& pick : rig.leases()) rig.end(pick, delivered());
    rig.pass(std::chrono::seconds(1));
  }
  CHECK(rig.messages() == 0);
}

TEST_CASE("hosts behind a domain are remembered; what is none, or behind a route, is not") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  DestinationId id = rig.leases()[0].destination;
  rig.queue.mx_sets().note(id, "");
  rig.queue.mx_sets().note(id, std::string(5000, 'x'));
  rig.run();
  CHECK(rig.state().mx_sets.empty());
  rig.queue.mx_sets().note(id, "mx1.example.org mx2.example.org");
  rig.run();
  CHECK(rig.state().mx_sets.size() == 1);
  REQUIRE(rig.queue.scheduler().mx_set(id) != nullptr);
  QueueRig next(disk);
  next.start();
  next.run();
  std::vector<Pick> leases = next.leases();
  REQUIRE(leases.size() == 1);
  REQUIRE(next.queue.scheduler().mx_set(leases[0].destination) != nullptr);
  CHECK(next.queue.scheduler().mx_set(leases[0].destination)->key ==
        "mx1.example.org mx2.example.org");
}

TEST_CASE("a policy that the store could not take is left out; one in force is lent") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  DestinationId id = rig.leases()[0].destination;
  mail::StsPolicy policy;
  policy.id = "20260101";
  policy.hosts = {"mx,1.example.org"};
  policy.fetched_at = rig.clock.wall();
  policy.max_age = 3600;
  rig.queue.sts_policies().keep(id, policy);
  mail::NextHop hop{mail::HopKind::mx, {}, {}};
  hop.domain = "example.org";
  CHECK_FALSE(rig.queue.sts_policies().find(hop));
  policy.hosts = {"mx1.example.org"};
  rig.queue.sts_policies().keep(id, policy);
  CHECK(rig.queue.sts_policies().find(hop));
  rig.pass(std::chrono::hours(2));
  CHECK_FALSE(rig.queue.sts_policies().find(hop));
}
