// From the recipients a client gave to those a message goes to, and who is told of it.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <functional>

#include "common/config/load/bundle.h"
#include "qmgr/routing/expansion.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using mail::Notify;

namespace {

config::Addresses test_addresses() {
  config::Loaded loaded = config::parse(config::Bundle{
      "t.toml",
      {{"t.toml",
        "hostname = \"mx.test\"\n[addresses]\naliases = \"aliases\"\nvirtual = \"virtual\"\n"
        "sender_canonical = \"senders\"\n"},
       {"aliases",
        "list: a@far.test, b@far.test\nowner-list: boss@far.test\nteam: a, b\nx: y\n"
        "loop: pool\npool: loop\n"},
       {"virtual", "one@mx.test other@far.test\n"},
       {"senders", "inner@mx.test outer@mx.test\n"}}});
  for (const config::Diagnostic& d : loaded.diagnostics) FAIL(d.text());
  return loaded.config.addresses;
}

class Given {
 public:
  ExpandedMail expand(std::vector<std::string> recipients, std::uint8_t notify = 0,
                      std::string orcpt = {}, std::string sender = "sender@example.com") {
    NewMessage m = test::make_message(100, std::move(recipients), {}, std::move(sender));
    m.info.arrival.protocol = protocol;
    m.info.envelope.envid = "E1";
    m.info.envelope.ret = mail::DsnReturn::full;
    for (NewRecipient& r : m.recipients) {
      r.recipient.notify.bits = notify;
      r.recipient.orcpt = orcpt;
    }
    if (carried) carried(m);
    rewrite::Rewriter rewriter(addresses_);
    return qmgr::expand(std::move(m), rewriter, [this] { return mail::QueueId{++last_}; });
  }

  std::string protocol = "ESMTP";
  std::function<void(NewMessage&)> carried;

 private:
  config::Addresses addresses_ = test_addresses();
  std::uint64_t last_ = 200;
};

std::string text_of(const NewMessage& m) {
  std::string out = fmt::format("{} <{}>", m.info.id.value, m.info.envelope.reverse_path.text());
  for (const NewRecipient& r : m.recipients) out += " " + r.recipient.address.text();
  return out;
}

}  // namespace

TEST_CASE("expansion: what nothing applies to stays as it is") {
  ExpandedMail out = Given().expand({"u@far.test", "v@far.test"}, Notify::success);
  REQUIRE(out.messages.size() == 1);
  CHECK(text_of(out.messages[0]) == "100 <sender@example.com> u@far.test v@far.test");
  CHECK(out.messages[0].recipients[0].given.empty());
  CHECK(out.messages[0].recipients[0].recipient.orcpt.empty());
  CHECK(out.told.empty());
}

TEST_CASE("expansion: one for another keeps what the sender asked for, RFC 3461 5.2.7.1") {
  ExpandedMail out = Given().expand({"one@mx.test"}, Notify::success | Notify::failure);
  REQUIRE(out.messages.size() == 1);
  const NewRecipient& r = out.messages[0].recipients.at(0);
  CHECK(r.recipient.address.text() == "other@far.test");
  CHECK(r.recipient.notify.bits == (Notify::success | Notify::failure));
  CHECK(r.recipient.orcpt == "rfc822;one@mx.test");
  CHECK(r.given == "one@mx.test");
  CHECK(out.told.empty());
  CHECK(Given()
            .expand({"one@mx.test"}, 0, "rfc822;first@x.test")
            .messages[0]
            .recipients[0]
            .recipient.orcpt == "rfc822;first@x.test");
}

TEST_CASE("expansion: one for several tells of it, RFC 3461 5.2.7.2") {
  ExpandedMail out = Given().expand({"team@mx.test"}, Notify::success | Notify::delay);
  REQUIRE(out.messages.size() == 1);
  CHECK(text_of(out.messages[0]) == "100 <sender@example.com> a@mx.test b@mx.test");
  CHECK(out.messages[0].recipients[0].recipient.notify.bits == Notify::delay);
  CHECK(out.messages[0].info.envelope.envid == "E1");
  REQUIRE(out.told.size() == 1);
  CHECK(out.told[0].event == Event::expanded);
  CHECK(out.told[0].details.recipient.address.text() == "team@mx.test");
  // Only success was asked for: then there is nothing left to tell.
  CHECK(Given()
            .expand({"team@mx.test"}, Notify::success)
            .messages[0]
            .recipients[0]
            .recipient.notify.bits == Notify::never);
  CHECK(Given().expand({"team@mx.test"}, 0).messages[0].recipients[0].recipient.notify.bits == 0);
  CHECK(Given().expand({"team@mx.test"}, 0).told.empty());
}

TEST_CASE(
    "expansion: what a message carries goes with its parts, so that filtered mail can leave") {
  Given given;
  given.carried = [](NewMessage& m) {
    m.judgements = "what filters said";
    m.judged = JudgedMessage{m.info.id, {{0, false}}};
    m.local = true;
    m.held_for = "why";
    m.message_id = "<1@x.test>";
    m.uid = 1000;
    m.content = "Subject: x\r\n\r\n";
  };
  ExpandedMail out = given.expand({"u@far.test", "list@mx.test"});
  REQUIRE(out.messages.size() == 2);
  for (const NewMessage& part : out.messages) {
    CHECK(part.judgements == "what filters said");
    CHECK(part.local);
    CHECK(part.held_for == "why");
    CHECK(part.message_id == "<1@x.test>");
    CHECK(part.uid == 1000U);
  }
  // What lay in the store is replaced once.
  REQUIRE(out.messages[0].judged);
  CHECK(out.messages[0].judged->id.value == 100);
  CHECK_FALSE(out.messages[1].judged);
  CHECK(out.messages[0].content == "Subject: x\r\n\r\n");
  CHECK(out.messages[1].content.empty());
}

TEST_CASE("expansion: a list with an owner is a message of its own, RFC 3461 5.2.7.3") {
  ExpandedMail out = Given().expand({"u@far.test", "list@mx.test", "a@far.test"}, Notify::success);
  REQUIRE(out.messages.size() == 2);
  CHECK(text_of(out.messages[0]) == "100 <sender@example.com> u@far.test a@far.test");
  CHECK(text_of(out.messages[1]) == "201 <owner-list@mx.test> a@far.test b@far.test");
  const NewMessage& part = out.messages[1];
  CHECK(part.part_of.value == 100);
  CHECK(part.given_sender == "sender@example.com");
  CHECK(out.messages[0].given_sender.empty());
  CHECK(part.content.empty());
  CHECK(part.info.envelope.envid.empty());
  CHECK(part.info.envelope.ret == mail::DsnReturn::unspecified);
  CHECK(part.recipients[0].recipient.notify.bits == 0);
  CHECK(part.recipients[0].recipient.orcpt.empty());
  CHECK(part.recipients[0].given == "list@mx.test");
  REQUIRE(out.told.size() == 1);
  CHECK(out.told[0].event == Event::delivered);
  CHECK(out.as_given.envelope.reverse_path.text() == "sender@example.com");
  CHECK(out.as_given.envelope.envid == "E1");
}

TEST_CASE("expansion: with nobody but a list the id is the list's") {
  ExpandedMail out = Given().expand({"list@mx.test"});
  REQUIRE(out.messages.size() == 1);
  CHECK(text_of(out.messages[0]) == "100 <owner-list@mx.test> a@far.test b@far.test");
  CHECK(!out.messages[0].content.empty());
}

TEST_CASE("expansion: a bounce to a list stays one that nobody answers") {
  ExpandedMail out = Given().expand({"list@mx.test"}, 0, {}, "");
  REQUIRE(out.messages.size() == 1);
  CHECK(text_of(out.messages[0]) == "100 <> a@far.test b@far.test");
}

TEST_CASE("expansion: who is reached by two ways gets it once") {
  ExpandedMail out = Given().expand({"team@mx.test", "x@mx.test", "team@mx.test"});
  REQUIRE(out.messages.size() == 1);
  CHECK(text_of(out.messages[0]) == "100 <sender@example.com> a@mx.test b@mx.test y@mx.test");
}

TEST_CASE("S14, operate 8: equal recipients of one transaction are one") {
  struct Row {
    std::vector<std::string> given;
    std::string kept;
  };
  const Row rows[] = {
      {{"u@far.test", "v@far.test", "u@far.test"}, "u@far.test v@far.test"},
      {{"bob@far.test", "bob@FAR.test", "bob@far.test."}, "bob@far.test"},
      {{"\"bob\"@far.test", "bob@far.test"}, "\"bob\"@far.test"},
      // Whose mailboxes these are only the far host knows.
      {{"bob@far.test", "Bob@far.test"}, "bob@far.test Bob@far.test"},
      // By an alias and by name, in either order; a list with an owner is another message.
      {{"team@mx.test", "a@mx.test"}, "a@mx.test b@mx.test"},
      {{"a@mx.test", "team@mx.test"}, "a@mx.test b@mx.test"},
      {{"one@mx.test", "other@far.test", "one@mx.test"}, "other@far.test"},
  };
  for (const Row& row : rows) {
    ExpandedMail out = Given().expand(row.given);
    REQUIRE(out.messages.size() == 1);
    CHECK(text_of(out.messages[0]) == "100 <sender@example.com> " + row.kept);
  }
  // What was asked for on any of them is told, once.
  CHECK(Given().expand({"list@mx.test", "list@MX.test"}, Notify::success).told.size() == 1);
}

TEST_CASE("S14: of equal recipients the wishes for reports are united") {
  struct Row {
    std::uint8_t one, other, both;
  };
  const Row rows[] = {
      {0, 0, 0},
      {Notify::success, Notify::success, Notify::success},
      {Notify::success, Notify::never, Notify::success},
      {Notify::never, Notify::failure, Notify::failure},
      {Notify::success, Notify::delay, Notify::success | Notify::delay},
      {Notify::never, 0, 0},
      {Notify::success, 0, Notify::success | Notify::failure | Notify::delay},
      {0, Notify::success, Notify::success | Notify::failure | Notify::delay},
  };
  for (const Row& row : rows) {
    NewMessage m = test::make_message(1, {"u@far.test", "u@FAR.test"});
    m.recipients[0].recipient.notify.bits = row.one;
    m.recipients[1].recipient.notify.bits = row.other;
    unite_equal(m.recipients);
    REQUIRE(m.recipients.size() == 1);
    CHECK(m.recipients[0].recipient.address.text() == "u@far.test");
    CHECK(m.recipients[0].recipient.notify.bits == row.both);
  }
}

TEST_CASE("expansion: the sender becomes canonical, but is told as he called himself") {
  ExpandedMail out = Given().expand({"team@mx.test"}, Notify::success, {}, "inner@mx.test");
  CHECK(out.messages[0].info.envelope.reverse_path.text() == "outer@mx.test");
  CHECK(out.as_given.envelope.reverse_path.text() == "inner@mx.test");
}

TEST_CASE("operate 16: of a local program, the recipient that cannot be worked out fails alone") {
  Given given;
  given.protocol = "local";
  ExpandedMail out = given.expand({"u@far.test", "loop@mx.test"});
  CHECK(out.problem == rewrite::Problem::loop);
  REQUIRE(out.messages.size() == 1);
  REQUIRE(out.messages[0].recipients.size() == 2);
  CHECK(out.messages[0].recipients[0].recipient.decided.code == 0);
  CHECK(out.messages[0].recipients[1].recipient.decided.code == 550);
}

TEST_CASE("expansion: a loop refuses the whole message") {
  ExpandedMail out = Given().expand({"u@far.test", "loop@mx.test"});
  CHECK(out.problem == rewrite::Problem::loop);
  CHECK(out.problem_at == "loop@mx.test");
  CHECK(out.origin.file == "aliases");
  CHECK(out.messages.empty());
}
