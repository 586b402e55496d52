// The judge of everything that enters the queue, row by row.
#include <catch2/catch.hpp>

#include "common/base/sane_time.h"

#include "qmgr/verdicts/gate.h"

using namespace postwain;
using namespace postwain::qmgr;
using ipc::Role;

namespace {

const WallTime kNow = from_unix_ms(1795923000000);
const mail::QueueId kOwn = mail::QueueId::first_of(kNow);
const GateRules kRules{"mx.example.org", 100, 1000};

NewMessage plain() {
  NewMessage message;
  message.info.id = mail::QueueId::first_of(kNow - std::chrono::seconds(5)).with_worker(7);
  message.info.envelope.reverse_path = mail::Address::from_text("a@example.org");
  message.info.arrival = {"ESMTPS", "192.0.2.7", "client.example", "anna", kNow};
  message.info.size = 500;
  message.recipients.push_back({{mail::Address::from_text("b@example.net"), {}, {}}, {}});
  return message;
}

int judged(Role role, NewMessage& message, Carrier carrier = {}) {
  carrier.role = role;
  auto refusal = judge(
      carrier, kRules, kNow, [] { return kOwn; }, message);
  return refusal ? refusal->code : 0;
}

int judged(Role role, const std::function<void(NewMessage&)>& change) {
  NewMessage message = plain();
  change(message);
  return judged(role, message);
}

const Role kCarriers[] = {Role::smtpd, Role::sendmail, Role::pickup, Role::queue_import,
                          Role::reporter};

}  // namespace

TEST_CASE("what a program of this machine gives back is not ours to sign") {
  struct Row {
    Role role;
    std::size_t own_hops;
    bool after;
  };
  for (const Row& row :
       {Row{Role::sendmail, 1, true}, Row{Role::sendmail, 2, false}, Row{Role::pickup, 1, true},
        Row{Role::pickup, 2, false}, Row{Role::smtpd, 2, true}, Row{Role::reporter, 2, true}}) {
    CAPTURE(ipc::name_of(row.role), row.own_hops);
    NewMessage message;
    message.info.envelope.sign = mail::Signing::dkim;
    mark_given_back(row.role, row.own_hops, message);
    CHECK((message.info.envelope.sign == mail::Signing::dkim) == row.after);
  }
}

TEST_CASE("whose word counts for whether a message may be signed") {
  struct Row {
    Role role;
    bool said;
    bool after;
  };
  for (const Row& row : {Row{Role::smtpd, true, true},
                         {Role::smtpd, false, false},
                         {Role::queue_import, true, true},
                         {Role::queue_import, false, false},
                         {Role::sendmail, false, true},
                         {Role::pickup, false, true},
                         {Role::reporter, false, true},
                         {Role::metrics, true, false},
                         {Role::control, true, false}}) {
    CAPTURE(static_cast<int>(row.role), row.said);
    NewMessage message = plain();
    message.info.envelope.sign = row.said ? mail::Signing::dkim : mail::Signing::none;
    if (judged(row.role, message) == 0)
      CHECK((message.info.envelope.sign == mail::Signing::dkim) == row.after);
  }
}

TEST_CASE("S1, S2, S12: what no carrier may bring") {
  struct Row {
    const char* what;
    int code;
    std::function<void(NewMessage&)> change;
  };
  auto to = [](std::string text) {
    return [text = std::move(text)](NewMessage& m) {
      m.recipients[0].recipient.address = mail::Address::from_text(text);
    };
  };
  auto from = [](std::string text) {
    return [text = std::move(text)](NewMessage& m) {
      m.info.envelope.reverse_path = mail::Address::from_text(text);
    };
  };
  auto notify = [](int bits) {
    return [bits](NewMessage& m) {
      m.recipients[0].recipient.notify.bits = static_cast<std::uint8_t>(bits);
    };
  };
  auto orcpt = [](std::string text) {
    return [text = std::move(text)](NewMessage& m) { m.recipients[0].recipient.orcpt = text; };
  };
  auto envid = [](std::string text) {
    return [text = std::move(text)](NewMessage& m) { m.info.envelope.envid = text; };
  };
  auto decided = [](mail::Reply end) {
    return [end = std::move(end)](NewMessage& m) { m.recipients[0].recipient.decided = end; };
  };
  using namespace std::string_literals;
  const Row rows[] = {
      {"as it should be", 0, [](NewMessage&) {}},
      {"null sender", 0, [](NewMessage& m) { m.info.envelope.reverse_path = {}; }},
      {"bare postmaster", 0, to("PostMaster")},
      {"quoted local part", 0, to("\"a b\"@example.net")},
      {"literal", 0, to("a@[192.0.2.1]")},
      {"UTF-8", 0, to("\xc3\xbc@\xc3\xbc.example")},
      {"NUL in a recipient", 553, to("a\0@\0x.example"s)},
      {"NUL behind the domain", 553, to("a@example.net\0xx"s)},
      {"five MB behind NUL", 553, to("a\0@\0"s + std::string(5'000'000, 'x'))},
      {"> and parameters", 553, to("v@x.test> NOTIFY=NEVER ORCPT=rfc822;x@x.test")},
      {"CR LF", 553, to("a@x.test\r\nDATA")},
      {"blank", 553, to("a b@x.test")},
      {"no domain", 553, to("a")},
      {"empty", 553, to("")},
      {"domain too long", 553, to("a@" + std::string(300, 'x'))},
      {"broken UTF-8", 553, to("\xff\xfe@\xc3")},
      {"two at signs", 553, to("a@b@c")},
      {"sender with >", 553, from("a@b.test> AUTH=<>")},
      {"sender without domain", 553, from("postmaster")},
      {"NUL in the sender", 553, from("a\0@b.test"s)},
      {"no recipient", 554, [](NewMessage& m) { m.recipients.clear(); }},
      {"NOTIFY none", 0, notify(0)},
      {"NOTIFY never", 0, notify(1)},
      {"NOTIFY all but never", 0, notify(14)},
      {"NOTIFY never and others", 501, notify(3)},
      {"NOTIFY never and all", 501, notify(15)},
      {"NOTIFY unknown bit", 501, notify(16)},
      {"NOTIFY 200", 501, notify(200)},
      {"ORCPT", 0, orcpt("rfc822;a+b=c@example.org")},
      {"ORCPT in UTF-8", 0, orcpt("utf-8;\xc3\xbc@example.org")},
      {"ORCPT without type", 501, orcpt("a@b")},
      {"ORCPT with line end", 501, orcpt("rfc822;a\r\nX: y")},
      {"ORCPT with NUL", 501, orcpt("rfc822;a\0b"s)},
      {"ORCPT too long", 501, orcpt("rfc822;" + std::string(600, 'a'))},
      {"ENVID", 0, envid("some id 7")},
      {"ENVID with line end", 501, envid("a\nb")},
      {"ENVID too long", 501, envid(std::string(101, 'a'))},
      {"discarded at the door", 0, decided({250, {2, 0, 0}, "discarded"})},
      {"failed at the door", 0, decided({553, {5, 1, 3}, "no address"})},
      {"an end for now", 501, decided({450, {4, 2, 0}, "busy"})},
      {"an end that is none", 501, decided({999, {}, "x"})},
      {"failed with a code of success", 501, decided({553, {2, 0, 0}, "x"})},
      {"a class that is none", 501, decided({553, {255, 1, 3}, "x"})},
  };
  for (const Row& row : rows)
    for (Role role : kCarriers) {
      CAPTURE(row.what, ipc::name_of(role));
      CHECK(judged(role, row.change) == row.code);
    }
}

TEST_CASE("S2: ids and times within sense, and whose they are to give") {
  using namespace std::chrono_literals;
  auto id = [](std::uint64_t value) {
    return [value](NewMessage& m) { m.info.id = mail::QueueId{value}; };
  };
  auto at = [](WallTime time) {
    return [time](NewMessage& m) { m.info.arrival.received_at = time; };
  };
  for (std::uint64_t value : {std::uint64_t{0}, mail::QueueId::kLast, mail::QueueId::kLast + 1,
                              UINT64_MAX, mail::QueueId::first_of(kNow + 11min).value}) {
    CAPTURE(value);
    CHECK(judged(Role::smtpd, id(value)) == 451);
    CHECK(judged(Role::reporter, id(value)) == 451);
    CHECK(judged(Role::queue_import, id(value)) == 554);
    // To whom it is only a name, or may be given another.
    CHECK(judged(Role::sendmail, id(value)) == 0);
    CHECK(judged(Role::pickup, id(value)) == 0);
  }
  for (WallTime time : {WallTime{}, from_unix_ms(1), kNow + 11min, sane_time(INT64_MAX),
                        sane_time(INT64_MIN), from_unix_ms(253402300800000 - 1)}) {
    CAPTURE(to_unix_ms(time));
    CHECK(judged(Role::smtpd, at(time)) == 451);
    CHECK(judged(Role::queue_import, at(time)) == 554);
    CHECK(judged(Role::sendmail, at(time)) == 0);
    CHECK(judged(Role::pickup, at(time)) == 0);
  }
  // An import is of any time that was.
  CHECK(judged(Role::queue_import, at(kNow - 24h * 365)) == 0);
  NewMessage message = plain();
  message.info.id = mail::QueueId{mail::QueueId::kLast};
  message.info.arrival.received_at = sane_time(INT64_MAX);
  REQUIRE(judged(Role::sendmail, message) == 0);
  CHECK(message.info.id == kOwn);
  CHECK(message.info.arrival.received_at == kNow);
  // What was left before keeps its id and time, if it is of the drop folder.
  message = plain();
  mail::QueueId dropped = message.info.id.with_worker(mail::kDropWorker);
  message.info.id = dropped;
  message.info.arrival.received_at = kNow - 24h;
  REQUIRE(judged(Role::pickup, message) == 0);
  CHECK(message.info.id == dropped);
  CHECK(message.info.arrival.received_at == kNow - 24h);
  message = plain();  // an id as smtpd makes them
  REQUIRE(judged(Role::pickup, message) == 0);
  CHECK(message.info.id == kOwn);
}

TEST_CASE("S12: who it is decides the kernel, not the submitter") {
  NewMessage message = plain();
  REQUIRE(judged(Role::sendmail, message, {Role::sendmail, 12345, {}}) == 0);
  CHECK(message.info.arrival.protocol == "local");
  CHECK(message.info.arrival.client_address.empty());
  CHECK(message.info.arrival.client_name.empty());
  CHECK(message.info.arrival.account == "uid 12345");
  CHECK(message.uid == 12345U);
  CHECK(received_field({Role::sendmail, 12345, {}}, kRules, message) ==
        "Received: by mx.example.org (Postwain, from uid 12345)\r\n\tid " + kOwn.text() + "; " +
            format_rfc5322(kNow) + "\r\n");
  message = plain();
  REQUIRE(judged(Role::pickup, message, {Role::pickup, 1000, "bert"}) == 0);
  CHECK(message.info.arrival.account == "bert");
  CHECK(message.uid == 1000U);
  CHECK(received_field({Role::pickup, 1000, "bert"}, kRules, message)
            .find("from bert with uid 1000)") != std::string::npos);
  // Over the network it is smtpd's word, made one line.
  message = plain();
  message.info.arrival.client_name = "a\r\nX: y" + std::string(5000, 'z');
  message.info.arrival.account = std::string("an\0na", 5);
  REQUIRE(judged(Role::smtpd, message, {Role::smtpd, 200, "postwain-smtpd"}) == 0);
  CHECK(message.info.arrival.client_name.substr(0, 7) == "a??X: y");
  CHECK(message.info.arrival.client_name.size() == kClientNameMax);
  CHECK(message.info.arrival.account == "an?na");
  CHECK_FALSE(message.uid);
  CHECK(received_field({Role::smtpd, 200, {}}, kRules, message).empty());
}

TEST_CASE("local users are bound by the limits of every client") {
  auto many = [](std::size_t count) {
    return [count](NewMessage& m) {
      m.recipients.clear();
      for (std::size_t i = 0; i < count; ++i)
        m.recipients.push_back({{mail::Address::from_text("b@example.net"), {}, {}}, {}});
    };
  };
  auto size = [](std::uint64_t octets) {
    return [octets](NewMessage& m) { m.info.size = octets; };
  };
  CHECK(judged(Role::sendmail, many(100)) == 0);
  CHECK(judged(Role::sendmail, many(101)) == 554);
  CHECK(judged(Role::pickup, many(101)) == 554);
  CHECK(judged(Role::smtpd, many(101)) == 0);  // smtpd has counted
  CHECK(judged(Role::sendmail, size(1000)) == 0);
  CHECK(judged(Role::sendmail, size(1001)) == 552);
  CHECK(judged(Role::queue_import, size(1001)) == 0);
}

TEST_CASE("a demand for TLS is not waived by the same message") {
  NewMessage message = plain();
  message.info.envelope.require_tls = message.info.envelope.tls_required_no = true;
  REQUIRE(judged(Role::sendmail, message) == 0);
  CHECK(message.info.envelope.require_tls);
  CHECK_FALSE(message.info.envelope.tls_required_no);
}

TEST_CASE("S5: what an agent says of an attempt can be stored") {
  mail::Outcome outcome;
  outcome.reply.code = 65535;
  outcome.reply.enhanced = {255, 1, 1};
  outcome.reply.text = std::string(100'000, 'x');
  outcome.remote_host = std::string("a\0b\n", 4) + std::string(100'000, 'y');
  outcome.tls = std::string(100'000, 'z');
  bound(outcome);
  CHECK(outcome.reply.code == 0);
  CHECK_FALSE(outcome.reply.enhanced.present());
  CHECK(outcome.reply.text.size() == kReplyKept);
  CHECK(outcome.remote_host.substr(0, 4) == "a?b?");
  CHECK(outcome.remote_host.size() == kClientNameMax);
  CHECK(outcome.tls.size() == kClientNameMax);
}

TEST_CASE("one line is cut at a character") {
  CHECK(one_line("abc", 2) == "ab");
  CHECK(one_line("a\xc3\xbc", 2) == "a");
  CHECK(one_line("a\xc3\xbc", 3) == "a\xc3\xbc");
  CHECK(one_line("a\xff", 9) == "a?");
  CHECK(one_line("\t\x7f", 9) == "??");
}

TEST_CASE("an id of a bag that is not to be written is refused, or is not the message's") {
  const mail::QueueId id = plain().info.id;
  const mail::QueueId drop = id.with_worker(mail::kDropWorker);
  const std::uint64_t its = std::uint64_t{1} << id.bag();
  const std::uint64_t of_drop = std::uint64_t{1} << drop.bag();
  const std::uint64_t of_own = std::uint64_t{1} << kOwn.bag();
  struct Row {
    Role role;
    mail::QueueId id;
    std::uint64_t own;
    std::uint64_t open;
    int code;
    std::optional<mail::QueueId> becomes;
  };
  const std::uint64_t all = mail::kAllBags;
  const Row rows[] = {
      {Role::smtpd, id, all, all, 0, id},
      {Role::smtpd, id, all, all & ~its, 0, id},  // it is being given away
      {Role::smtpd, id, all & ~its, all & ~its, 451, id},
      {Role::sendmail, id, all, of_own, 0, kOwn},
      {Role::sendmail, id, of_own, of_own, 0, kOwn},
      {Role::sendmail, id, all & ~of_own, all & ~of_own, 451, kOwn},  // no id could be given
      {Role::pickup, drop, all, all, 0, drop},
      {Role::pickup, drop, all, all & ~of_drop, 0, drop.next_in(all & ~of_drop)},
      {Role::pickup, drop, all & ~of_drop, all & ~of_drop, 0, drop.next_in(all & ~of_drop)},
      {Role::pickup, id, all, of_own, 0, kOwn},
      {Role::queue_import, id, all, all, 0, id},
      {Role::queue_import, id, all, of_own & ~its, 0, kOwn},
      {Role::reporter, id, of_own & ~its, of_own & ~its, 0, kOwn},
  };
  REQUIRE(of_own != its);
  for (const Row& row : rows) {
    CAPTURE(ipc::name_of(row.role), row.own, row.open);
    NewMessage message = plain();
    message.info.id = row.id;
    GateRules rules = kRules;
    rules.own_bags = row.own;
    rules.open_bags = row.open;
    auto refusal = judge(
        {row.role, 0, {}}, rules, kNow, [] { return kOwn; }, message);
    CHECK((refusal ? refusal->code : 0) == row.code);
    CHECK(message.info.id == row.becomes);
  }
  CHECK(bag_moved_reply().code == 451);
}
