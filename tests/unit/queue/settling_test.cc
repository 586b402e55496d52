// What becomes of recipients after their outcomes (settling.h, after_commit.h, notices.h).
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

Pick only_lease(QueueRig& rig) {
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 1);
  return leases[0];
}

}  // namespace

TEST_CASE("a delivered message is gone after the commit, not before") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  Pick pick = only_lease(rig);
  rig.queue.leasing().settle(pick.job.id, {{0, delivered()}});
  CHECK(rig.messages() == 1);
  CHECK(rig.queue.working().messages() == 1);
  rig.service.run();
  CHECK(rig.messages() == 0);
  CHECK(rig.queue.working().messages() == 0);
  CHECK(rig.queue.totals().counts().messages() == 0);
  CHECK(rig.outcomes() == 1);
}

TEST_CASE("a deferred recipient is tried again when its step of the schedule is over") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org", "b@example.org"}));
  Pick pick = only_lease(rig);
  rig.queue.leasing().settle(100 == pick.job.id.value ? pick.job.id : mail::QueueId{},
                             {{0, delivered()}, {1, deferred()}});
  AttemptSummary summary;
  summary.add(deferred(), 1);
  rig.queue.leasing().finished(pick, summary, {});
  rig.run();
  CHECK(rig.leases().empty());
  CHECK(rig.queue.totals().counts().recipients(QueueState::deferred) == 1);
  rig.pass(std::chrono::minutes(10));
  Pick again = only_lease(rig);
  CHECK(again.job.recipients == std::vector<std::uint32_t>{1});
  rig.end(again, delivered());
  CHECK(rig.messages() == 0);
}

TEST_CASE("recipients that fail at the same time are told of in one notice") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@one.example", "b@two.example"}));
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 2);
  rig.end(leases[0], failed());
  CHECK(rig.notices().empty());
  rig.end(leases[1], failed());
  REQUIRE(rig.notices().size() == 1);
  CHECK_FALSE(rig.stored(100));
  CHECK(rig.notices()[0].recipients.size() == 1);
}

TEST_CASE("who failed does not wait for ever for others that are under way") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@one.example", "b@two.example"}));
  std::vector<Pick> leases = rig.leases();
  rig.end(leases[0], failed());
  rig.pass(kBatchFailed + kBatchLook);
  CHECK(rig.notices().size() == 1);
  REQUIRE(rig.stored(100));
  CHECK(rig.stored(100)->recipients.size() == 1);
}

TEST_CASE("the end of the queue manager does not lose a notice that waits for others") {
  Disk disk;
  {
    QueueRig rig(disk);
    rig.start();
    rig.accept(make_message(100, {"a@one.example", "b@two.example"}));
    rig.end(rig.leases()[0], failed());
    rig.queue.finish();
    CHECK(rig.notices().size() == 1);
  }
}

TEST_CASE("a success report that was asked for is written with the delivery") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  NewMessage message = make_message(100, {"a@example.org"});
  message.recipients[0].recipient.notify = mail::Notify::parse("SUCCESS").value();
  rig.accept(std::move(message));
  rig.end(only_lease(rig), delivered());
  CHECK(rig.notices().size() == 1);
  CHECK_FALSE(rig.stored(100));
}

TEST_CASE("content that cannot be read holds the recipient with the reason") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  Pick pick = only_lease(rig);
  rig.queue.leasing().mark_damaged(pick.job.id);
  rig.end(pick, deferred());
  auto stored = rig.stored(100);
  REQUIRE(stored);
  CHECK(stored->recipients[0].state == RecipientState::held);
  CHECK(stored->recipients[0].last.reply.text == kHeldUnreadable);
  CHECK(rig.queue.totals().counts().recipients(QueueState::held) == 1);
}

TEST_CASE("a recipient behind a breaker is warned of and given up in time, untried") {
  config::Config config = config_of_rig();
  config.queue.delay_warning = std::chrono::hours(4);
  config.queue.lifetime = std::chrono::hours(48);
  Disk disk;
  QueueRig rig(disk, config);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  for (int i = 0; i < 400 && rig.stored(100); ++i) {
    for (const Pick& pick : rig.leases()) {
      if (pick.job.id.value == 100)
        rig.end(pick, unreachable());
      else
        rig.end(pick, delivered());
    }
    rig.pass(std::chrono::minutes(15));
  }
  CHECK_FALSE(rig.stored(100));
  CHECK(rig.clock.wall() - at(0) >= std::chrono::hours(48));
  CHECK(rig.queue.metrics().notices[static_cast<std::size_t>(DsnAction::delayed)] == 1);
  CHECK(rig.queue.metrics().notices[static_cast<std::size_t>(DsnAction::failed)] == 1);
}

TEST_CASE("a settlement that the store refuses leaves the recipient to be tried again") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  Pick pick = only_lease(rig);
  // Longer than the schema takes.
  mail::Outcome outcome = deferred();
  outcome.remote_host = std::string(100'000, 'x');
  rig.end(pick, outcome);
  auto stored = rig.stored(100);
  REQUIRE(stored);
  rig.pass(std::chrono::minutes(10));
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("a bounce that fails is dropped, and its recipients counted") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}, "mx:example.org", ""));
  rig.end(only_lease(rig), failed());
  CHECK(rig.messages() == 0);
  CHECK(rig.queue.metrics().dropped == 1);
}
