#include <catch2/catch.hpp>

#include "common/milter/protocol.h"
#include "filter/deciding/body_lines.h"
#include "filter/deciding/breaker.h"
#include "filter/deciding/chain_verdict.h"
#include "filter/deciding/filter_rules.h"
#include "filter/deciding/message_edits.h"

using namespace postwain;
using namespace postwain::filter;
using ipc::FilterVerdict;

namespace {

constexpr FilterVerdict kByStrength[] = {FilterVerdict::keep_going, FilterVerdict::discard,
                                         FilterVerdict::defer, FilterVerdict::hang_up,
                                         FilterVerdict::refuse};

milter::Edit edit_of(milter::Edit::Kind kind, std::string name, std::string value = {},
                     std::uint32_t index = 0) {
  return {kind, index, std::move(name), std::move(value)};
}

}  // namespace

TEST_CASE("the stronger of two filters' verdicts counts, in either order") {
  for (std::size_t a = 0; a < 5; ++a)
    for (std::size_t b = 0; b < 5; ++b) {
      ChainVerdict chain;
      chain.add("a", kByStrength[a], {550, {5, 7, 1}, "a"});
      chain.add("b", kByStrength[b], {550, {5, 7, 1}, "b"});
      CHECK(chain.verdict() == kByStrength[std::max(a, b)]);
      if (a > 0 || b > 0) CHECK(chain.filter() == (a >= b ? "a" : "b"));
    }
}

TEST_CASE("a deferral on condition counts as the others speak") {
  const mail::Reply later{450, {4, 7, 1}, "later"};
  const mail::Reply no{550, {5, 7, 1}, "no"};
  ChainVerdict permit;
  permit.defer_if_permitted("a", later);
  CHECK_FALSE(permit.is_final());
  permit.settle();
  CHECK(permit.verdict() == FilterVerdict::defer);
  ChainVerdict refused;
  refused.defer_if_permitted("a", later);
  refused.add("b", FilterVerdict::refuse, no);
  refused.settle();
  CHECK(refused.verdict() == FilterVerdict::refuse);
  ChainVerdict softened;
  softened.defer_if_refused("a", later);
  softened.add("b", FilterVerdict::refuse, no);
  CHECK(softened.verdict() == FilterVerdict::defer);
  CHECK(softened.filter() == "a");
  ChainVerdict nobody;
  nobody.defer_if_refused("a", later);
  nobody.settle();
  CHECK_FALSE(nobody.is_final());
}

TEST_CASE("a hold stays whatever comes after it, and refuses nothing") {
  ChainVerdict chain;
  chain.hold("one: odd");
  CHECK_FALSE(chain.is_final());
  chain.add("two", FilterVerdict::keep_going, {});
  chain.hold("two");
  CHECK(chain.held() == "one: odd; two");
  chain.add("two", FilterVerdict::refuse, {550, {5, 7, 1}, "no"});
  CHECK(chain.is_final());
  CHECK(chain.held() == "one: odd; two");
}

TEST_CASE("a filter is on for kinds and for names of listeners") {
  config::Filter filter;
  filter.on = {"world", "127.0.0.1:10025"};
  CHECK(names_place(filter.on, "0.0.0.0:25", ipc::FilterKind::world));
  CHECK_FALSE(names_place(filter.on, "0.0.0.0:587", ipc::FilterKind::submission));
  CHECK(names_place(filter.on, "127.0.0.1:10025", ipc::FilterKind::local));
}

TEST_CASE("a failure is answered as the operator says") {
  using Then = config::FilterFailure;
  CHECK(failure_reply(Then::defer).one_line().substr(0, 9) == "451 4.7.1");
  CHECK(failure_reply(Then::refuse).one_line().substr(0, 9) == "554 5.7.1");
  CHECK(failure_reply(Then::accept).code == 0);
  CHECK(failure_reply(Then::hold).code == 0);
}

TEST_CASE("a filter may do what it is granted") {
  using Right = config::FilterRight;
  config::FilterRights may{Right::headers, Right::defer};
  CHECK(allows(may, FilterVerdict::hang_up));
  CHECK_FALSE(allows(may, FilterVerdict::refuse));
  CHECK_FALSE(allows(may, FilterVerdict::discard));
  CHECK((milter_actions(may) & milter::action::kChangeHeaders) != 0);
  CHECK((milter_actions(may) & milter::action::kChangeBody) == 0);
  for (Right right : {Right::body, Right::recipients, Right::sender, Right::hold}) may.add(right);
  CHECK(milter_actions(may) == milter::action::kAll);
}

TEST_CASE("a breaker opens after five failures in a row, and tries one message at a time") {
  using Leave = Breaker::Leave;
  Breaker breaker;
  MonoTime now{};
  for (int i = 0; i < 4; ++i) CHECK_FALSE(breaker.failed(now, breaker.ask(now)));
  breaker.succeeded();
  for (int i = 0; i < 4; ++i) CHECK_FALSE(breaker.failed(now, breaker.ask(now)));
  CHECK(breaker.ask(now) == Leave::go);
  CHECK(breaker.failed(now, Leave::go));
  CHECK(breaker.pause() == kFirstPause);
  CHECK_FALSE(breaker.failed(now, Leave::go));  // one that was under way
  CHECK(breaker.ask(now) == Leave::no);

  Duration expected = kFirstPause;
  for (int i = 0; i < 6; ++i) {
    now += expected - Duration(1);
    CHECK(breaker.keeps_away(now));
    CHECK(breaker.ask(now) == Leave::no);
    now += Duration(1);
    CHECK_FALSE(breaker.keeps_away(now));
    CHECK(breaker.ask(now) == Leave::trial);
    CHECK(breaker.ask(now) == Leave::no);
    CHECK_FALSE(breaker.failed(now, Leave::go));  // one from before
    breaker.gave_up(Leave::trial);
    CHECK(breaker.ask(now) == Leave::trial);
    CHECK(breaker.failed(now, Leave::trial));
    expected = std::min(2 * expected, kLongestPause);
    CHECK(breaker.pause() == expected);
  }
  now += kLongestPause;
  CHECK(breaker.ask(now) == Leave::trial);
  CHECK(breaker.succeeded());
  CHECK(breaker.ask(now) == Leave::go);
  CHECK_FALSE(breaker.succeeded());
}

TEST_CASE("edits of filters come together, and each filter's as a whole") {
  using Kind = milter::Edit::Kind;
  MessageEdits edits("Received: us\r\nSubject: a\r\nX: 1\r\n", 1);
  REQUIRE(edits.apply({}, false));
  CHECK_FALSE(edits.header().changed());
  REQUIRE(edits.apply(
      {edit_of(Kind::add_header, "Y", "2"), edit_of(Kind::insert_header, "Z", "0", 1),
       edit_of(Kind::change_header, "subject", "b", 1), edit_of(Kind::change_header, "x", "", 1)},
      false));
  CHECK(edits.header().text() == "Received: us\r\nZ: 0\r\nsubject: b\r\nY: 2\r\n");

  REQUIRE(edits.apply(
      {edit_of(Kind::add_recipient, "<c@d>", "NOTIFY=NEVER"), edit_of(Kind::add_recipient, "c@d"),
       edit_of(Kind::delete_recipient, "<a@b>"), edit_of(Kind::change_sender, "<s@t>", "RET=HDRS"),
       edit_of(Kind::quarantine, {}, "odd")},
      false));
  REQUIRE(edits.added().size() == 1);
  CHECK(edits.added()[0].arguments == "NOTIFY=NEVER");
  CHECK(edits.removed() == std::vector<std::string>{"<a@b>"});
  CHECK(edits.sender()->address == "<s@t>");
  CHECK(edits.holds() == std::vector<std::string>{"odd"});

  // Of the next filter: one that was added goes, one that was taken out comes back.
  REQUIRE(edits.apply({edit_of(Kind::delete_recipient, "c@d"), edit_of(Kind::add_recipient, "a@b")},
                      false));
  REQUIRE(edits.added().size() == 1);
  CHECK(edits.added()[0].address == "a@b");
  CHECK(edits.removed() == std::vector<std::string>{"<a@b>", "c@d"});

  std::string before = edits.header().text();
  CHECK_FALSE(edits.apply({edit_of(Kind::add_header, "W", "1"),
                           edit_of(Kind::add_recipient, std::string(kEditAddressMax + 1, 'x'))},
                          false));
  CHECK(edits.header().text() == before);
  CHECK_FALSE(edits.apply(
      {edit_of(Kind::add_header, "W", std::string(ipc::kFilterSectionMax, 'x'))}, false));
  CHECK(edits.header().text() == before);
}

TEST_CASE("a body that a filter gives gets whole line ends, however it is cut") {
  std::string given = "a\nb\r\nc\rd\n\n\r\r\ne";
  std::string expected = "a\r\nb\r\nc\r\nd\r\n\r\n\r\n\r\ne\r\n";
  for (std::size_t cut = 0; cut <= given.size(); ++cut) {
    BodyLines lines;
    std::string out = lines.take(given.substr(0, cut));
    out += lines.take(given.substr(cut));
    out += lines.finish();
    CHECK(out == expected);
  }
  BodyLines lines;
  CHECK(lines.finish().empty());
  CHECK(lines.take("x\r") == "x");
  CHECK(lines.finish() == "\r\n");
}

TEST_CASE("edits of a header section with very many fields hold nobody up") {
  std::string section;
  while (section.size() < 1'000'000) section += "a:\r\n";
  MessageEdits edits(section, 0);
  std::vector<milter::Edit> many(1000, edit_of(milter::Edit::Kind::change_header, "b", "c", 1));
  CHECK_FALSE(edits.apply(many, false));
  CHECK_FALSE(edits.header().changed());
  many.resize(10);
  CHECK(edits.apply(many, false));
}
