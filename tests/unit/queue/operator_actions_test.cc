// What operators ask for a message (operator_actions.h), also while attempts run.
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

struct Asked {
  std::vector<std::uint32_t> busy;
  std::optional<std::size_t> changed;
};

Asked ask(QueueRig& rig, Action action, std::uint64_t id) {
  Asked asked;
  auto message = rig.stored(id);
  REQUIRE(message);
  asked.busy = rig.queue.operator_actions().act(
      action, *message, "alice", [&asked](std::size_t changed) { asked.changed = changed; });
  rig.run();
  return asked;
}

}  // namespace

TEST_CASE("hold, release, cancel change what is queued and say how many") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org", "b@example.org"}));
  CHECK(ask(rig, Action::hold, 100).changed == 2U);
  CHECK(rig.leases().empty());
  CHECK(rig.queue.totals().counts().recipients(QueueState::held) == 2);
  CHECK(ask(rig, Action::hold, 100).changed == 0U);
  CHECK(ask(rig, Action::retry, 100).changed == 0U);  // what is held is released, not retried
  CHECK(ask(rig, Action::release, 100).changed == 2U);
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("cancel and return end a message, and only the return is told to the sender") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  rig.accept(make_message(101, {"a@example.org"}));
  CHECK(ask(rig, Action::cancel, 100).changed == 1U);
  CHECK(rig.notices().empty());
  CHECK(ask(rig, Action::bounce, 101).changed == 1U);
  CHECK_FALSE(rig.stored(101));
  CHECK(rig.notices().size() == 1);
}

TEST_CASE("retry brings a deferred recipient forward") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  rig.end(rig.leases()[0], deferred());
  CHECK(rig.leases().empty());
  CHECK(ask(rig, Action::retry, 100).changed == 1U);
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("a recipient with an attempt that runs is acted on after its end") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org", "b@example.org"}));
  Pick pick = rig.leases()[0];
  CHECK(rig.queue.operator_actions().has_active(pick.job.id));
  Asked asked = ask(rig, Action::cancel, 100);
  CHECK(asked.busy == std::vector<std::uint32_t>{0, 1});
  CHECK(asked.changed == 0U);
  std::optional<std::size_t> later;
  rig.queue.operator_actions().act_later(Action::cancel, pick.job.id, asked.busy, "alice",
                                         [&](std::size_t changed) { later = changed; });
  rig.run();
  CHECK_FALSE(later);
  rig.queue.leasing().settle(pick.job.id, {{0, delivered()}, {1, deferred()}});
  rig.queue.leasing().finished(pick, {}, {});
  rig.run();
  CHECK(later == 1U);  // the other was delivered
  CHECK(rig.messages() == 0);
}

TEST_CASE("retry does not wait for an attempt: it is one") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  Pick pick = rig.leases()[0];
  Asked asked = ask(rig, Action::retry, 100);
  CHECK(asked.busy.empty());
  CHECK(asked.changed == 0U);
  rig.end(pick, delivered());
}

TEST_CASE("a command for what is gone when its attempts have ended changes nothing, and ends") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  Pick pick = rig.leases()[0];
  std::optional<std::size_t> later;
  rig.queue.operator_actions().act_later(Action::hold, pick.job.id, {0}, "alice",
                                         [&](std::size_t changed) { later = changed; });
  rig.end(pick, delivered());
  CHECK(later == 0U);
}
