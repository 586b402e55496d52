// The words that delivery clients hear of a queue that several machines share.
#include <catch2/catch.hpp>

#include <future>

#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

void submit_one(Rig& rig) {
  auto smtpd = rig.peer(Role::smtpd);
  mail::Envelope envelope;
  envelope.reverse_path = mail::Address::from_text("a@b.test");
  envelope.recipients.push_back({mail::Address::from_text("v@x.test"), {}, {}});
  smtpd->send(ipc::Submit{mail::QueueId::first_of(wall_now()).with_worker(5), 0, envelope,
                          ipc::Arrival{"ESMTP", "", "", "", wall_now()}, false,
                          "Subject: x\r\n\r\nhi\r\n"});
  REQUIRE(rig.until([&] { return smtpd->count(FrameType::submit_result) == 1; }));
  REQUIRE(smtpd->code() == 250);
}

}  // namespace

TEST_CASE("D1: words: none is said where nobody shares the queue") {
  Rig rig;
  submit_one(rig);
  auto agent = rig.peer(Role::smtp_client);
  REQUIRE(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  CHECK(agent->count(FrameType::word) == 0);
}

TEST_CASE("D2: words: every delivery client hears each, and the last one before its first lease") {
  Rig rig;
  submit_one(rig);
  auto store_client = rig.peer(Role::lmtp_client);
  auto smtpd = rig.peer(Role::smtpd);
  rig.delivery->say_word({1000, 3000, false});
  rig.delivery->say_word({1500, 3000, false});
  REQUIRE(rig.until([&] { return store_client->count(FrameType::word) == 2; }));
  CHECK(store_client->got<ipc::Word>(0).sent_ms == 1000);
  CHECK(store_client->got<ipc::Word>(1).sent_ms == 1500);
  auto agent = rig.peer(Role::smtp_client);
  REQUIRE(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  REQUIRE(agent->order().size() >= 3);
  CHECK(agent->order()[0] == FrameType::welcome);
  CHECK(agent->order()[1] == FrameType::word);
  CHECK(agent->got<ipc::Word>().sent_ms == 1500);
  CHECK(agent->got<ipc::Word>().good_ms == 3000);
  rig.delivery->say_word({2000, 3000, true});
  REQUIRE(rig.until([&] { return agent->count(FrameType::word) == 2; }));
  CHECK(agent->got<ipc::Word>(1).fenced);
  CHECK(smtpd->count(FrameType::word) == 0);
}

TEST_CASE("D3: names: nothing is lent before the store has the name of the attempt") {
  Rig rig;
  rig.delivery->name_attempts_first();
  submit_one(rig);
  std::promise<void> go;
  std::promise<void> stands;
  // The store's thread stands still behind the acceptance.
  rig.worker->read([&](QueueStore&) {
    stands.set_value();
    go.get_future().wait();
    return std::function<void()>();
  });
  stands.get_future().wait();
  auto agent = rig.peer(Role::smtp_client);
  rig.delivery->schedule();
  const MonoTime end = mono_now() + std::chrono::milliseconds(300);
  REQUIRE(rig.until([&] { return mono_now() > end; }));
  CHECK(agent->count(FrameType::lease) == 0);
  go.set_value();
  CHECK(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
}
