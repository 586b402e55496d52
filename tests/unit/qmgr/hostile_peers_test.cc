// What peers of qmgr's socket do not get, with the real parts and frames they may send.
#include <catch2/catch.hpp>

#include <dirent.h>
#include <sys/resource.h>

#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

mail::QueueId id_of(std::uint64_t counter) {
  static const mail::QueueId first = mail::QueueId::first_of(wall_now()).with_worker(5);
  return mail::QueueId{first.value | counter};
}

mail::Envelope envelope(const std::string& to = "v@x.test") {
  mail::Envelope out;
  out.reverse_path = mail::Address::from_text("a@b.test");
  out.recipients.push_back({mail::Address::from_text(to), {}, {}});
  return out;
}

ipc::Arrival arrival() {
  return {"ESMTPSA", "198.51.100.7", "boss-laptop", "boss", wall_now()};
}

ipc::Submit small(mail::QueueId id, std::string_view content = "Subject: x\r\n\r\nhi\r\n") {
  return {id, 0, envelope(), arrival(), false, content};
}

std::size_t files_in(const std::string& folder) {
  std::size_t count = 0;
  DIR* opened = ::opendir(folder.c_str());
  REQUIRE(opened != nullptr);
  while (const dirent* entry = ::readdir(opened)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(opened);
  return count;
}

// As a former version let it in.
void poison(QueueStore& store) {
  Database& db = static_cast<SqliteStore&>(store).database();
  REQUIRE(db.run("DROP TRIGGER recipient_octets").ok());
  REQUIRE(db.run("INSERT INTO message VALUES (77, 'a@b.test', 0, 0, 0, 0, '', 4, 1795923000000, "
                 "'local', '', '', '', 0, 0, 0, 0, 0, 0, 0)")
              .ok());
  REQUIRE(db.run("INSERT INTO content VALUES (77, x'61626364')").ok());
  REQUIRE(
      db.run("INSERT INTO recipient (message_id, idx, address, notify, orcpt, state, destination, "
             "attempts, next_attempt_at, in_doubt, delay_warned, last_at, last_stage, last_code, "
             "last_enhanced, last_text, last_host) VALUES (77, 0, CAST(x'6100400078' || "
             "zeroblob(9000000) AS TEXT), 0, '', 0, 'mx:x.test', 0, 0, 0, 0, 0, 0, 0, '', '', '')")
          .ok());
}

}  // namespace

TEST_CASE("S1: what is queued and too large for a frame is held, with the reason") {
  Rig rig(poison);
  auto agent = rig.peer(Role::smtp_client);
  auto state = [&] {
    auto found = std::make_shared<std::string>("-");
    bool done = false;
    rig.queue->store().read([&, found](QueueStore& store) -> StoreService::Completion {
      auto said = static_cast<SqliteStore&>(store).database().ask(
          "SELECT state || last_text FROM recipient WHERE message_id = 77");
      *found = said ? *said : said.error().text;
      return [&] { done = true; };
    });
    REQUIRE(rig.until([&] { return done; }));
    return *found;
  };
  std::string last;
  REQUIRE(rig.until([&] { return rig.queue->totals().counts().complete(); }));
  for (int i = 0; i < 1000 && (last = state()).substr(0, 1) != "1"; ++i) {
  }
  CHECK(last == std::string("1") + kHeldTooLarge);
  CHECK_FALSE(agent->closed());
}

TEST_CASE("S4: while admission is closed nobody gets in, by whichever role") {
  Rig rig;
  auto role =
      GENERATE(Role::smtpd, Role::sendmail, Role::queue_import, Role::reporter, Role::pickup);
  CAPTURE(ipc::name_of(role));
  auto peer = rig.peer(role);
  rig.intake->set_admission({false, {452, {4, 3, 1}, "full"}});
  auto owner = [&](mail::QueueId id) {
    if (role == Role::pickup) peer->send(ipc::DropOwner{id, 1000});
  };
  owner(id_of(1));
  peer->send(small(id_of(1)));
  owner(id_of(2));
  peer->send(ipc::SubmitOpen{id_of(2), envelope(), arrival()});
  REQUIRE(rig.until([&] { return peer->count(FrameType::submit_result) == 2; }));
  CHECK(peer->code(0) == 452);
  CHECK(peer->code(1) == 452);
  // What it sends of a transaction that was refused is passed over.
  peer->send(ipc::SubmitChunk{id_of(2), "x"});
  peer->send(ipc::SubmitEnd{id_of(2), 0, false, 1});
  rig.intake->set_admission({true, {}});
  owner(id_of(3));
  peer->send(small(id_of(3)));
  REQUIRE(rig.until([&] { return peer->count(FrameType::submit_result) == 3; }));
  CHECK(peer->code(2) == 250);
}

TEST_CASE("S12: only pickup says whose a message is, and it has to") {
  Rig rig;
  auto peer = rig.peer(Role::sendmail);
  peer->send(ipc::DropOwner{id_of(1), 0});
  CHECK(rig.until([&] { return peer->closed(); }));
  auto pickup = rig.peer(Role::pickup);
  pickup->send(small(id_of(1)));
  CHECK(rig.until([&] { return pickup->closed(); }));
}

TEST_CASE("S18: an id whose content is under way is refused to others, and theirs to end it") {
  Rig rig;
  std::string content_folder = rig.folder.path() + "/content";
  auto first = rig.peer(Role::smtpd);
  auto second = rig.peer(Role::queue_import);
  auto stranger = rig.peer(Role::sendmail);
  mail::QueueId id = id_of(1);
  first->send(ipc::SubmitOpen{id, envelope(), arrival()});
  REQUIRE(rig.until([&] { return first->count(FrameType::submit_file) == 1; }));
  second->send(ipc::SubmitOpen{id, envelope(), arrival()});
  REQUIRE(rig.until([&] { return second->count(FrameType::submit_result) == 1; }));
  CHECK(second->code() == 451);
  second->send(ipc::SubmitAbort{id});
  // To sendmail it is but a name.
  stranger->send(ipc::SubmitOpen{id, envelope(), arrival()});
  stranger->send(ipc::SubmitChunk{id, "forged\r\n"});
  stranger->send(ipc::SubmitEnd{id, 0, false, 8});
  REQUIRE(rig.until([&] { return stranger->count(FrameType::submit_result) == 1; }));
  CHECK(stranger->code() == 250);
  CHECK(stranger->got<ipc::SubmitResult>().reply.text.find(id.text()) == std::string::npos);
  // The first one's ends as it would have: nothing was written into its file.
  first->send(ipc::SubmitFinal{id, 0, false, 0, {}, {}});
  REQUIRE(rig.until([&] { return first->count(FrameType::submit_result) == 1; }));
  CHECK(first->code() == 250);
  CHECK(files_in(content_folder) == 2);
  // Free again.
  second->send(ipc::SubmitOpen{id_of(9), envelope(), arrival()});
  second->send(ipc::SubmitAbort{id_of(9)});
  second->send(ipc::SubmitOpen{id_of(9), envelope(), arrival()});
  second->send(ipc::SubmitChunk{id_of(9), "ok\r\n"});
  second->send(ipc::SubmitEnd{id_of(9), 0, false, 4});
  REQUIRE(rig.until([&] { return second->count(FrameType::submit_result) == 2; }));
  CHECK(second->code(1) == 250);
}

TEST_CASE(
    "suspicion 1: an end right behind an opening whose file cannot be made is an error, no abort") {
  Rig rig;
  auto peer = rig.peer(Role::smtpd);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    peer->send(ipc::SubmitOpen{id_of(i), envelope(), arrival()});
    peer->send(ipc::SubmitFinal{id_of(i), 0, false, 5, {}, {}});
  }
  bool answered = rig.until([&] { return peer->count(FrameType::submit_result) == 20; });
  (void)::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE(answered);
  for (std::size_t i = 0; i < 20; ++i) CHECK(peer->code(i) == 451);
  CHECK_FALSE(peer->closed());
}

TEST_CASE("S5: late outcomes end what was lent on a connection that was lost, and nothing else") {
  Rig rig;
  auto sender = rig.peer(Role::smtpd);
  auto agent = rig.peer(Role::smtp_client);
  sender->send(small(id_of(1)));
  REQUIRE(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  mail::QueueId lent = agent->got<ipc::Lease>().id;
  agent.reset();  // the end of the attempt is not seen
  REQUIRE(rig.until([&] { return rig.delivery->agents(Pool::smtp) == 0; }));
  REQUIRE(rig.until([&] { return rig.queue->working().messages() == 0; }));
  sender->send(small(id_of(2)));
  REQUIRE(rig.until([&] { return sender->count(FrameType::submit_result) == 2; }));
  REQUIRE(rig.queue->totals().counts().messages() == 2);
  mail::Outcome delivered;
  delivered.disposition = mail::Disposition::delivered;
  delivered.reply = {250, {2, 0, 0}, "ok"};
  auto other = rig.peer(Role::lmtp_client);
  other->send(ipc::LateOutcomes{lent, {{0, delivered}}, {}});
  auto back = rig.peer(Role::smtp_client);
  back->send(ipc::LateOutcomes{id_of(2), {{0, delivered}}, {}});  // never lent
  back->send(ipc::LateOutcomes{lent, {{0, delivered}, {1, delivered}}, {}});
  CHECK(rig.until([&] { return rig.queue->totals().counts().messages() == 1; }));
  back->send(ipc::LateOutcomes{lent, {{0, delivered}}, {0}});  // once more: nothing
  auto witness = rig.peer(Role::smtpd);
  CHECK(rig.queue->totals().counts().messages() == 1);
  CHECK_FALSE(back->closed());
}

TEST_CASE("a frame of outcomes that is refused leaves nobody behind") {
  Rig rig;
  auto sender = rig.peer(Role::smtpd);
  auto agent = rig.peer(Role::smtp_client);
  sender->send(small(id_of(1)));
  REQUIRE(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  ipc::Outcomes report;
  report.lease = agent->got<ipc::Lease>().lease;
  mail::Outcome deferred;
  deferred.disposition = mail::Disposition::deferred;
  report.outcomes = {{0, deferred}, {0, deferred}};  // twice
  agent->send(report);
  REQUIRE(rig.until([&] { return agent->closed(); }));
  // It is in doubt and waits, instead of being lent for ever.
  CHECK(rig.until([&] { return rig.queue->working().messages() == 0; }));
  CHECK(rig.queue->totals().counts().messages() == 1);
}

TEST_CASE("what an agent says of policies and hosts cannot end the database") {
  Rig rig;
  auto sender = rig.peer(Role::smtpd);
  auto agent = rig.peer(Role::smtp_client);
  sender->send(small(id_of(1)));
  REQUIRE(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  ipc::Outcomes report;
  report.lease = agent->got<ipc::Lease>().lease;
  report.done = true;
  mail::Outcome failed;
  failed.disposition = mail::Disposition::failed;
  failed.reply = {65535, {255, 1, 1}, std::string(1'000'000, 'x')};
  failed.remote_host = std::string("a\0b", 3);
  report.outcomes = {{0, failed}};
  report.mx_set = std::string("mx\0", 3);
  report.sts.emplace();
  report.sts->id = std::string(5000, 'i');
  report.sts->hosts = {std::string(500'000, 'h')};
  agent->send(report);
  // The message ends with a bounce, which is lent in its turn.
  CHECK(rig.until([&] { return agent->count(FrameType::lease) == 2; }));
  CHECK_FALSE(agent->closed());
}
