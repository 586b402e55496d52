// What is heard of attempts whose messages are another node's by now, and who is told of it.
#include "qmgr/nodes/late_told.h"
#include "tests/unit/qmgr/control/fake_cluster.h"
#include "tests/unit/queue/fake_keeper.h"
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

std::string name_of_node(std::uint8_t node) {
  return "mx" + std::to_string(node + 1);
}

// Its own number is 0 for its cluster; the rows have the true one.
struct Listener {
  Listener(Disk& disk, RequestRows& rows, std::uint8_t number)
      : rig(disk, config_of_rig(), std::chrono::minutes(1)),
        keeper(rows, number),
        requests(rig.loop, keeper, number, name_of_node),
        told(rig.loop, rig.queue, cluster, requests) {
    rig.start();
  }
  void beat() {
    requests.seen({true, true});
    keeper.run();
    rig.run();
  }
  QueueRig rig;
  FakeKeeper keeper;
  FakeCluster cluster;
  Requests requests;
  LateTold told;
};

// The second node has message 100, which was left in doubt; the first one hears of its end.
struct TwoListeners {
  TwoListeners() {
    {
      QueueRig before(there);
      before.start();
      before.accept(make_message(100, {"a@example.org", "b@example.org"}));
      REQUIRE(before.leases().size() == 1);
    }
    first = std::make_unique<Listener>(here, rows, 0);
    second = std::make_unique<Listener>(there, rows, 1);
    first->cluster.usual_owner = 1;
  }
  // The first one's loop, with beats of both.
  void run(Duration time) {
    net::Timer beats(first->rig.loop);
    beats.repeat(std::chrono::milliseconds(20), [this] {
      first->beat();
      second->beat();
    });
    net::Timer stop(first->rig.loop);
    stop.start(time, [this] { first->rig.loop.stop(); });
    first->rig.loop.run();
  }
  Disk here;
  Disk there;
  RequestRows rows;
  std::unique_ptr<Listener> first;
  std::unique_ptr<Listener> second;
};

const mail::QueueId kLeft{100};

}  // namespace

TEST_CASE("the node that has the message settles what another one has heard") {
  TwoListeners two;
  two.first->told.tell(kLeft, 0, delivered());
  two.first->told.tell(kLeft, 1, deferred());  // says nothing that is worth it
  CHECK(two.first->told.waiting() == 1);
  two.run(std::chrono::milliseconds(900));
  CHECK(two.first->told.waiting() == 0);
  auto stored = two.second->rig.stored(100);
  REQUIRE(stored);
  REQUIRE(stored->recipients.size() == 1);
  CHECK(stored->recipients[0].index == 1);
}

TEST_CASE("it is told again where nobody has the message yet, or it is elsewhere") {
  TwoListeners two;
  two.first->told.tell(kLeft, 0, delivered());
  SECTION("nobody has it") {
    two.first->cluster.usual_owner = std::nullopt;
  }
  SECTION("whoever is asked has it not") {
    two.second->rig.queue.bags().begin(0);
  }
  SECTION("the database is away") {
    two.rows.trouble = StoreError{StoreError::Kind::away, "nobody there"};
  }
  two.run(std::chrono::milliseconds(900));
  CHECK(two.first->told.waiting() == 1);
  CHECK(two.second->rig.stored(100)->recipients.size() == 2);
  two.first->cluster.usual_owner = 1;
  two.second->rig.queue.bags().begin(mail::kAllBags);
  two.rows.trouble.reset();
  two.run(std::chrono::milliseconds(900));
  CHECK(two.first->told.waiting() == 0);
  CHECK(two.second->rig.stored(100)->recipients.size() == 1);
}

TEST_CASE("what has come home meanwhile is settled here") {
  TwoListeners two;
  two.second->cluster.usual_owner = 0;  // which is itself
  two.second->told.tell(kLeft, 0, delivered());
  net::Timer stop(two.second->rig.loop);
  stop.start(std::chrono::milliseconds(700), [&] { two.second->rig.loop.stop(); });
  two.second->rig.loop.run();
  two.second->rig.run();
  CHECK(two.second->told.waiting() == 0);
  CHECK(two.second->rig.stored(100)->recipients.size() == 1);
}

TEST_CASE("words of another version, and nonsense, settle nothing") {
  TwoListeners two;
  std::vector<Result<std::string>> heard;
  std::string frame;
  REQUIRE(ipc::append_frame(frame, ipc::LateOutcomes{kLeft, {{0, delivered()}}, {}}));
  const std::string version{static_cast<char>(ipc::kProtocolVersion >> 8),
                            static_cast<char>(ipc::kProtocolVersion & 0xFF)};
  std::string other_frame;
  REQUIRE(ipc::append_frame(other_frame, ipc::Draining{}));
  for (const std::string& data :
       {std::string(), std::string("\xFF"), "\xFF\xFF" + frame, version + frame.substr(1),
        version + frame.substr(0, frame.size() - 1), version + frame + "x",
        version + other_frame}) {
    two.first->requests.ask(1, Requests::Kind::late_outcomes, data, std::chrono::seconds(5),
                            [&](Result<std::string> answer) { heard.push_back(answer); });
    two.first->keeper.run();
    two.second->beat();
    two.first->beat();
    REQUIRE(heard.size() == 1);
    CHECK_FALSE(heard.front().ok());
    heard.clear();
  }
  CHECK(two.second->rig.stored(100)->recipients.size() == 2);
}

TEST_CASE("a delivery that was reported, and could not be written, is told to the new owner") {
  Disk disk;
  {
    QueueRig before(disk);
    before.start();
    before.accept(make_message(100, {"a@example.org", "b@example.org"}));
    REQUIRE(before.leases().size() == 1);
  }
  {
    // The term has been ended: the outcome was noted, and its commit failed.
    Result<AttemptJournal> journal = AttemptJournal::open(disk.folder.path() + "/attempts");
    REQUIRE(journal.ok());
    journal->delivered(journal->take_left(kLeft, 0), false);
  }
  QueueRig rig(disk, config_of_rig(), std::chrono::minutes(1));
  rig.queue.bags().begin(0);
  rig.start();
  REQUIRE(rig.elsewhere().size() == 1);
  CHECK(rig.elsewhere()[0].id == kLeft);
  CHECK(rig.elsewhere()[0].index == 0);
  CHECK(rig.elsewhere()[0].outcome.disposition == mail::Disposition::delivered);
}
