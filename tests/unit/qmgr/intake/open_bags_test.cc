// A queue that several machines share: ids of new messages are of bags of this one, and what lies
// in bags of others is not taken.
#include <catch2/catch.hpp>

#include <set>
#include <string>

#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

constexpr std::uint64_t kLower = 0xFFFFFFFFULL;  // half of the bags
constexpr std::uint64_t kUpper = ~kLower;

mail::Envelope to_somebody() {
  mail::Envelope out;
  out.reverse_path = mail::Address::from_text("a@b.test");
  out.recipients.push_back({mail::Address::from_text("v@x.test"), {}, {}});
  return out;
}

// Made by somebody who keeps to these bags.
mail::QueueId id_in(std::uint64_t bags, std::uint16_t worker = 5) {
  static std::uint64_t made = 0;
  mail::QueueId id = mail::QueueId::first_of(wall_now()).with_worker(worker);
  id.value += ++made % 2048;
  if (!id.is_in(bags)) id = id.next_in(bags).value();
  return id;
}

ipc::Submit small(mail::QueueId id) {
  return {
      id, 0, to_somebody(), {"ESMTP", "", "", "", wall_now()}, false, "Subject: x\r\n\r\nhi\r\n"};
}

// The id that the message has, from the text of the reply.
mail::QueueId queued_as(const ipc::SubmitResult& result) {
  const std::string said = "Ok: queued as ";
  REQUIRE(result.reply.text.starts_with(said));
  return mail::QueueId::parse(result.reply.text.substr(said.size())).value();
}

struct Shared {
  Rig rig;
  std::unique_ptr<RawPeer> ask(Role role) { return rig.peer(role); }
  ipc::SubmitResult answer(RawPeer& peer, std::size_t n = 0) {
    REQUIRE(rig.until([&] { return peer.count(FrameType::submit_result) > n; }));
    return peer.got<ipc::SubmitResult>(n);
  }
  // Large content of an smtpd, up to its last frame.
  void open(RawPeer& smtpd, mail::QueueId id) {
    smtpd.send(ipc::SubmitOpen{id, to_somebody(), {"ESMTP", "", "", "", wall_now()}});
    REQUIRE(rig.until([&] { return smtpd.count(FrameType::submit_file) == 1; }));
    UniqueFd file = smtpd.take(smtpd.got<ipc::SubmitFile>().file);
    REQUIRE(write_all(file.get(), body).ok());
  }
  ipc::SubmitFinal end(mail::QueueId id) const {
    return {id, 0, false, body.size(), std::nullopt, "Subject: large\r\n\r\n"};
  }
  std::string body = std::string(70000, 'x') + "\r\n";
};

}  // namespace

TEST_CASE("O1: bags: nothing is said of them where nobody shares the queue") {
  Shared shared;
  auto smtpd = shared.ask(Role::smtpd);
  REQUIRE(shared.rig.until([&] { return smtpd->count(FrameType::admission) == 1; }));
  CHECK(smtpd->count(FrameType::open_bags) == 0);
  for (std::uint64_t bags : {kLower, kUpper}) smtpd->send(small(id_in(bags)));
  CHECK(shared.answer(*smtpd, 0).reply.code == 250);
  CHECK(shared.answer(*smtpd, 1).reply.code == 250);
}

TEST_CASE("O2: bags: each smtpd hears of them, before it may take mail, and of each change") {
  Shared shared;
  auto early = shared.ask(Role::smtpd);
  auto program = shared.ask(Role::sendmail);
  shared.rig.intake->set_open_bags(kLower, kLower);
  shared.rig.intake->set_open_bags(kLower, mail::kAllBags);  // others are being given away
  REQUIRE(shared.rig.until([&] { return early->count(FrameType::open_bags) == 1; }));
  CHECK(early->got<ipc::OpenBags>().bags == kLower);
  auto late = shared.ask(Role::smtpd);
  REQUIRE(shared.rig.until([&] { return late->count(FrameType::admission) == 1; }));
  CHECK(late->order() ==
        std::vector<FrameType>{FrameType::welcome, FrameType::open_bags, FrameType::admission});
  CHECK(late->got<ipc::OpenBags>().bags == kLower);
  // None is open: new ids are of what is still owned.
  shared.rig.intake->set_open_bags(0, 7);
  shared.rig.intake->set_open_bags(mail::kAllBags, mail::kAllBags);
  REQUIRE(shared.rig.until([&] { return late->count(FrameType::open_bags) == 3; }));
  CHECK(late->got<ipc::OpenBags>(1).bags == 7);
  CHECK(late->got<ipc::OpenBags>(2).bags == mail::kAllBags);
  CHECK(early->count(FrameType::open_bags) == 3);
  CHECK(program->count(FrameType::open_bags) == 0);
}

TEST_CASE(
    "O3: bags: smtpd's message in another machine's bag is refused, in one's own it is taken") {
  Shared shared;
  shared.rig.intake->set_open_bags(1, kLower);
  auto smtpd = shared.ask(Role::smtpd);
  // Of a bag that is being given away as well.
  smtpd->send(small(id_in(kLower & ~std::uint64_t{1})));
  CHECK(shared.answer(*smtpd, 0).reply.code == 250);
  smtpd->send(small(id_in(kUpper)));
  mail::Reply refused = shared.answer(*smtpd, 1).reply;
  CHECK(refused.code == 451);
  CHECK(refused.enhanced.text() == "4.3.0");
  smtpd->send(ipc::SubmitOpen{id_in(kUpper), to_somebody(), {"ESMTP", "", "", "", wall_now()}});
  CHECK(shared.answer(*smtpd, 2).reply.code == 451);
  CHECK(smtpd->count(FrameType::submit_file) == 0);
  CHECK_FALSE(smtpd->closed());
}

TEST_CASE("O4: bags: a bag that has gone while the content came is looked at again at the end") {
  Shared shared;
  shared.rig.intake->set_open_bags(kLower, kLower);
  auto smtpd = shared.ask(Role::smtpd);
  mail::QueueId id = id_in(kLower);
  shared.open(*smtpd, id);
  std::uint64_t owned = GENERATE(kUpper, kLower);
  bool early = GENERATE(false, true);  // else while its end is on its way
  if (early) shared.rig.intake->set_open_bags(kUpper, owned | kUpper);
  smtpd->send(shared.end(id));
  if (!early) shared.rig.intake->set_open_bags(kUpper, owned | kUpper);
  CHECK(shared.answer(*smtpd).reply.code == (owned == kLower ? 250 : 451));
  CHECK(shared.rig.queue->totals().counts().recipients() == (owned == kLower ? 1 : 0));
}

TEST_CASE("O5: bags: of everybody else an id of a foreign bag is not the message's") {
  Role role = GENERATE(Role::sendmail, Role::pickup, Role::queue_import, Role::reporter);
  CAPTURE(ipc::name_of(role));
  Shared shared;
  shared.rig.intake->set_open_bags(kLower, kLower | (std::uint64_t{1} << 40));
  std::uint16_t worker = role == Role::pickup ? mail::kDropWorker : 5;
  auto peer = shared.ask(role);
  const WallTime arrived = wall_now();
  auto submit = [&](mail::QueueId id) {
    if (role == Role::pickup) peer->send(ipc::DropOwner{id, 1000});
    if (role == Role::queue_import) peer->send(ipc::QueueImport{id, 0, {}, false});
    ipc::Submit message = small(id);
    message.arrival.received_at = arrived;
    peer->send(message);
  };
  mail::QueueId own = id_in(kLower, worker);
  submit(own);
  CHECK((queued_as(shared.answer(*peer, 0)) == own) == (role != Role::sendmail));
  for (std::uint64_t foreign : {kUpper, std::uint64_t{1} << 40}) {
    std::size_t before = peer->count(FrameType::submit_result);
    mail::QueueId id = id_in(foreign, worker);
    submit(id);
    mail::QueueId real = queued_as(shared.answer(*peer, before));
    CHECK(real != id);
    CHECK(real.is_in(kLower));
    // What lies in the drop folder may come twice, and is stored once.
    submit(id);
    mail::QueueId again = queued_as(shared.answer(*peer, before + 1));
    CHECK((again == real) == (role == Role::pickup));
  }
  std::int64_t messages = role == Role::pickup ? 3 : 5;
  CHECK(shared.rig.queue->totals().counts().recipients() == messages);
}

TEST_CASE("O6: bags: what qmgr makes itself is of open bags, and of its node's worker") {
  Shared shared;
  shared.rig.intake->set_open_bags(kUpper, kUpper);
  shared.rig.queue->set_worker_range(3);
  std::set<mail::QueueId> seen;
  for (int i = 0; i < 20'000; ++i) {
    mail::QueueId id = shared.rig.queue->next_id();
    REQUIRE(id.is_in(kUpper));
    REQUIRE(id.worker() == 96);
    REQUIRE(seen.insert(id).second);
  }
}

TEST_CASE("O7: bags: a reload keeps them") {
  Shared shared;
  shared.rig.intake->set_open_bags(kLower, kLower);
  shared.rig.intake->configure(shared.rig.config, {});
  auto smtpd = shared.ask(Role::smtpd);
  REQUIRE(shared.rig.until([&] { return smtpd->count(FrameType::admission) == 1; }));
  CHECK(smtpd->count(FrameType::open_bags) == 1);
  smtpd->send(small(id_in(kUpper)));
  CHECK(shared.answer(*smtpd).reply.code == 451);
}
