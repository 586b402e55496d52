// From the intake to the commit, and on to the scheduler (acceptance.h, offering.h).
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

config::Config with_mail_store() {
  config::Config config = config_of_rig();
  config::Route route;
  route.match = {"store.example"};
  route.deliver = {mail::HopKind::lmtp, "/run/store.sock", {}};
  config.routes.push_back(route);
  return config;
}

mail::Reply reply(int code, std::uint8_t klass) {
  return {code, {klass, 1, 1}, "as was known at the door"};
}

}  // namespace

TEST_CASE("a message is stored before anybody is told, and is leased without being read back") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  std::optional<AcceptEnd> end;
  rig.queue.acceptance().accept(make_message(100, {"a@example.org", "b@example.org"}),
                                [&](AcceptEnd how) { end = how; });
  CHECK_FALSE(end);
  CHECK(rig.leases().empty());
  rig.service.turn();
  CHECK(end == AcceptEnd::stored);
  CHECK(rig.state().compact.size() == 1);
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 1);
  CHECK(leases[0].job.recipients == std::vector<std::uint32_t>{0, 1});
  CHECK(rig.queue.working().messages() == 1);
  CHECK(rig.queue.totals().counts().recipients() == 2);
}

TEST_CASE("recipients of different destinations are leased apart, in their own order") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  CHECK(rig.accept(make_message(100, {"a@one.example", "b@two.example", "c@one.example"})) ==
        AcceptEnd::stored);
  std::vector<Pick> leases = rig.leases();
  REQUIRE(leases.size() == 2);
  std::vector<std::vector<std::uint32_t>> groups{leases[0].job.recipients,
                                                 leases[1].job.recipients};
  std::sort(groups.begin(), groups.end());
  CHECK(groups == std::vector<std::vector<std::uint32_t>>{{0, 2}, {1}});
}

TEST_CASE("a bare postmaster gets the postmaster's address, and equal recipients one copy") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  NewMessage message = make_message(100, {"a@example.org", "a@EXAMPLE.org"});
  message.recipients.push_back({{mail::Address::from_text("postmaster"), {}, {}}, ""});
  CHECK(rig.accept(std::move(message)) == AcceptEnd::stored);
  auto stored = rig.stored(100);
  REQUIRE(stored);
  REQUIRE(stored->recipients.size() == 2);
  CHECK(stored->recipients[1].recipient.address.text() == "postmaster@example.org");
}

TEST_CASE("the same transaction a second time is a duplicate and changes nothing") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  CHECK(rig.accept(make_message(100, {"a@example.org"})) == AcceptEnd::stored);
  CHECK(rig.accept(make_message(100, {"a@example.org"})) == AcceptEnd::duplicate);
  NewMessage other = make_message(100, {"a@example.org"});
  other.content += "another line\r\n";
  other.info.size = other.content.size();
  CHECK(rig.accept(std::move(other)) == AcceptEnd::conflict);
  CHECK(rig.queue.totals().counts().messages() == 1);
  CHECK(rig.leases().size() == 1);
}

TEST_CASE("what is held from the start is stored and not tried") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  NewMessage message = make_message(100, {"a@example.org"});
  message.held_for = "held by a rule";
  CHECK(rig.accept(std::move(message)) == AcceptEnd::stored);
  CHECK(rig.leases().empty());
  CHECK(rig.queue.totals().counts().recipients(QueueState::held) == 1);
}

TEST_CASE("a recipient whose end was decided at the door ends without an attempt") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  NewMessage message = make_message(100, {"a@example.org", "b@example.org", "c@example.org"});
  message.recipients[0].recipient.decided = reply(550, 5);
  message.recipients[1].recipient.decided = reply(250, 2);
  CHECK(rig.accept(std::move(message)) == AcceptEnd::stored);
  std::vector<Pick> leases = rig.leases();
  std::vector<Pick> of_message;
  for (Pick& pick : leases)
    if (pick.job.id.value == 100) of_message.push_back(pick);
  REQUIRE(of_message.size() == 1);
  CHECK(of_message[0].job.recipients == std::vector<std::uint32_t>{2});
  CHECK(rig.queue.metrics().discarded == 1);
  rig.end(of_message[0], delivered());
  rig.pass(kBatchFailed + kBatchLook);
  CHECK_FALSE(rig.stored(100));
  REQUIRE(rig.notices().size() == 1);
  CHECK(rig.notices()[0].recipients[0].recipient.address.text() == "sender@example.com");
}

TEST_CASE("a route that discards ends a recipient at once") {
  config::Config config = config_of_rig();
  config::Route route;
  route.match = {"gone.example"};
  route.deliver = {mail::HopKind::discard, {}, {}};
  config.routes.push_back(route);
  Disk disk;
  QueueRig rig(disk, config);
  rig.start();
  CHECK(rig.accept(make_message(100, {"a@gone.example"})) == AcceptEnd::stored);
  CHECK(rig.leases().empty());
  rig.run();
  CHECK(rig.messages() == 0);
  CHECK(rig.queue.metrics().discarded == 1);
  CHECK(rig.outcomes() == 0);
}

TEST_CASE("a mail store's route makes leases for the other kind of agent") {
  Disk disk;
  QueueRig rig(disk, with_mail_store());
  rig.start();
  CHECK(rig.accept(make_message(100, {"a@store.example"})) == AcceptEnd::stored);
  CHECK(rig.leases(Pool::smtp).empty());
  CHECK(rig.leases(Pool::lmtp).size() == 1);
}

TEST_CASE("a message beyond what memory holds waits in the overflow list and is read later") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  for (std::uint64_t id = 1; id <= kMessagesMax + 5; ++id)
    rig.queue.acceptance().accept(make_message(id, {"a@d" + std::to_string(id % 400) + ".example"}),
                                  [](AcceptEnd) {});
  rig.run();
  CHECK(rig.queue.working().messages() < kMessagesMax);
  std::size_t delivered_count = 0;
  for (int round = 0; round < 1000 && delivered_count < kMessagesMax + 5; ++round) {
    std::vector<Pick> leases = rig.leases();
    for (const Pick& pick : leases) {
      AttemptSummary summary;
      summary.add(delivered());
      rig.queue.leasing().settle(pick.job.id, {{0, delivered()}});
      rig.queue.leasing().finished(pick, summary, {});
    }
    delivered_count += leases.size();
    rig.pass(kNoRoomPause);
  }
  CHECK(delivered_count == kMessagesMax + 5);
  CHECK(rig.messages() == 0);
  CHECK(rig.queue.totals().counts().recipients() == 0);
}
