// Who gets a blind copy is one recipient more, and nobody is told of him.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "common/config/load/bundle.h"
#include "qmgr/routing/expansion.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using mail::Notify;

namespace {

config::Addresses copying_addresses() {
  config::Loaded loaded = config::parse(config::Bundle{
      "t.toml",
      {{"t.toml",
        "hostname = \"mx.test\"\n[addresses]\naliases = \"aliases\"\n"
        "sender_bcc = \"sender_bcc\"\nrecipient_bcc = \"recipient_bcc\"\n"},
       {"aliases",
        "list: a@far.test, b@far.test\nowner-list: boss@far.test\nteam: a@far.test, c@far.test\n"
        "loop: pool\npool: loop\n"},
       {"sender_bcc",
        "boss@own.test archive@own.test\nself@own.test self@own.test\nlist@own.test "
        "list@mx.test\n<> bounces@own.test\n"},
       {"recipient_bcc",
        "one@own.test archive@own.test\ntwo@own.test team@mx.test\nbad@own.test loop@mx.test\n"
        "archive@own.test other@own.test\n"}}});
  for (const config::Diagnostic& d : loaded.diagnostics) FAIL(d.text());
  return loaded.config.addresses;
}

ExpandedMail copied(std::vector<std::string> recipients, const std::string& sender,
                    std::uint8_t notify = 0) {
  static const config::Addresses kAddresses = copying_addresses();
  NewMessage m = test::make_message(100, std::move(recipients), {}, sender);
  for (NewRecipient& r : m.recipients) {
    r.recipient.notify.bits = notify;
    if (r.recipient.address.local() == "nobody") r.recipient.decided = {250, {2, 0, 0}, "gone"};
  }
  rewrite::Rewriter rewriter(kAddresses);
  std::uint64_t last = 200;
  return qmgr::expand(std::move(m), rewriter, [&] { return mail::QueueId{++last}; });
}

std::string text_of_copied(const ExpandedMail& mail) {
  std::string out;
  for (const NewMessage& m : mail.messages) {
    if (!out.empty()) out += " | ";
    out += "<" + m.info.envelope.reverse_path.text() + ">";
    for (const NewRecipient& r : m.recipients) {
      out += " " + r.recipient.address.text();
      if (!r.given.empty()) out += "(" + r.given + ")";
      if (r.recipient.notify.bits == Notify::never) out += "!";
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a blind copy is a recipient more, once, of whom nobody is told") {
  struct {
    std::vector<std::string> recipients;
    const char* sender;
    const char* want;
  } rows[] = {
      {{"x@far.test"}, "s@far.test", "<s@far.test> x@far.test"},
      {{"x@far.test"},
       "boss@own.test",
       "<boss@own.test> x@far.test archive@own.test(boss@own.test)!"},
      {{"one@own.test"}, "s@far.test", "<s@far.test> one@own.test archive@own.test(one@own.test)!"},
      // By both ways, and once.
      {{"one@own.test"},
       "boss@own.test",
       "<boss@own.test> one@own.test archive@own.test(one@own.test)!"},
      // Who is named anyhow is named; his own copies are made, those of copies are not.
      {{"one@own.test", "archive@own.test"},
       "s@far.test",
       "<s@far.test> one@own.test archive@own.test other@own.test(archive@own.test)!"},
      {{"self@own.test"}, "self@own.test", "<self@own.test> self@own.test"},
      {{"x@far.test"}, "self@own.test", "<self@own.test> x@far.test self@own.test(self@own.test)!"},
      // A copy's address stands for others as any does, a list's owner included.
      {{"two@own.test", "c@far.test"},
       "s@far.test",
       "<s@far.test> two@own.test c@far.test a@far.test(two@own.test)!"},
      {{"x@far.test"},
       "list@own.test",
       "<list@own.test> x@far.test | <owner-list@mx.test> a@far.test(list@own.test) "
       "b@far.test(list@own.test)"},
      // The null reverse-path where a line asks for it.
      {{"one@own.test"},
       "",
       "<> one@own.test archive@own.test(one@own.test)! bounces@own.test(<>)!"},
      // Nobody gets the message: nobody gets a copy.
      {{"nobody@own.test"}, "boss@own.test", "<boss@own.test> nobody@own.test"},
  };
  for (const auto& row : rows) {
    INFO(row.sender << " to " << row.recipients.front());
    ExpandedMail out = copied(row.recipients, row.sender);
    CHECK(out.problem == rewrite::Problem::none);
    CHECK(text_of_copied(out) == row.want);
    CHECK(out.told.empty());
  }
}

TEST_CASE("what was asked for a recipient stays, though he gets a copy as well") {
  ExpandedMail out = copied({"archive@own.test"}, "boss@own.test", Notify::success);
  REQUIRE(out.messages[0].recipients.size() == 2);
  CHECK(out.messages[0].recipients[0].recipient.notify.bits == Notify::success);
  CHECK(out.messages[0].recipients[1].recipient.notify.bits == Notify::never);
  CHECK(out.messages[0].recipients[1].recipient.orcpt.empty());
}

TEST_CASE("a copy that leads nowhere fails alone") {
  ExpandedMail out = copied({"bad@own.test"}, "s@far.test");
  CHECK(out.problem == rewrite::Problem::loop);
  CHECK(out.problem_at == "loop@mx.test");
  CHECK(out.origin.text() == "recipient_bcc:3:1");
  REQUIRE(out.messages.size() == 1);
  REQUIRE(out.messages[0].recipients.size() == 2);
  CHECK(out.messages[0].recipients[0].recipient.decided.code == 0);
  const NewRecipient& copy = out.messages[0].recipients[1];
  CHECK(copy.recipient.decided.code == 550);
  CHECK(copy.recipient.notify.bits == Notify::never);
  CHECK(copy.given == "bad@own.test");
}
