// What nodes ask each other: who hears what, when, and how often. The table is the test's own.
#include <catch2/catch.hpp>

#include "common/base/sysexits.h"

#include "qmgr/nodes/requests.h"
#include "tests/unit/queue/fake_keeper.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using Kind = Requests::Kind;

namespace {

std::string letter_of(std::uint8_t node) {
  return std::string(1, static_cast<char>('a' + node));
}

struct Talker {
  Talker(net::Loop& loop, RequestRows& rows, std::uint8_t self)
      : keeper(rows, self), talk(std::make_unique<Requests>(loop, keeper, self, letter_of)) {}
  // A beat has seen this.
  void beat(bool requests, bool answers) {
    talk->seen({requests, answers});
    keeper.run();
  }
  FakeKeeper keeper;
  std::unique_ptr<Requests> talk;
};

// Two nodes, and what a has heard.
struct TwoTalkers {
  void ask(std::string data = "do it", Duration within = std::chrono::seconds(5),
           Kind kind = Kind::action) {
    a.talk->ask(1, kind, std::move(data), within,
                [this](Result<std::string> answer) { heard.push_back(std::move(answer)); });
    a.keeper.run();
  }
  net::Loop loop;
  RequestRows rows;
  Talker a{loop, rows, 0};
  Talker b{loop, rows, 1};
  std::vector<Result<std::string>> heard;
};

}  // namespace

TEST_CASE("a request is served by the node it is for, and answered once") {
  TwoTalkers two;
  std::vector<std::string> served;
  Requests::Reply late;
  two.b.talk->serve(Kind::action, [&](std::uint8_t from, std::string data, Requests::Reply reply) {
    CHECK(from == 0);
    served.push_back(std::move(data));
    late = std::move(reply);
  });
  two.ask();
  two.a.beat(true, true);  // nothing of it is for a
  CHECK(served.empty());
  two.b.beat(true, false);
  CHECK(served == std::vector<std::string>{"do it"});
  CHECK(two.b.talk->served() == 1);
  CHECK(two.heard.empty());
  late(std::string("done"));
  late(std::string("twice"));
  two.b.keeper.run();
  CHECK(two.b.talk->served() == 0);
  two.a.beat(false, true);
  REQUIRE(two.heard.size() == 1);
  REQUIRE(two.heard[0].ok());
  CHECK(*two.heard[0] == "done");
  CHECK(two.a.talk->waiting() == 0);
  CHECK(two.rows.answers.empty());
}

TEST_CASE("refusals keep their words and codes") {
  TwoTalkers two;
  SECTION("by who serves") {
    two.b.talk->serve(Kind::action, [](std::uint8_t, const std::string&, const auto& reply) {
      reply(Error{"not\nnow", kExitNoPermission});
    });
    two.ask();
    two.b.beat(true, false);
    two.a.beat(false, true);
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().code == kExitNoPermission);
    CHECK(two.heard[0].error().text == "not\\x0anow");
  }
  SECTION("a kind that the other version does not know") {
    const std::int64_t kind = GENERATE(std::int64_t{3}, std::int64_t{9}, std::int64_t{0},
                                       std::int64_t{-1}, INT64_MAX, INT64_MIN);
    two.b.talk->serve(Kind::late_outcomes, [](std::uint8_t, const std::string&, const auto& reply) {
      reply(std::string("taken"));
    });
    two.ask();
    two.rows.requests[0].kind = kind;
    two.b.beat(true, false);
    CHECK(two.b.talk->served() == 0);
    two.a.beat(false, true);
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().code == kExitUnavailable);
    CHECK(two.heard[0].error().text == "b does not know what is asked for (kind " +
                                           std::to_string(kind) + "): its version is another one");
  }
  SECTION("a kind that nobody serves yet") {
    two.ask("x", std::chrono::seconds(5), Kind::late_outcomes);
    two.b.beat(true, false);
    two.a.beat(false, true);
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().code == kExitUnavailable);
  }
  SECTION("whoever serves gives it up") {
    two.b.talk->serve(Kind::action, [](std::uint8_t, const std::string&, const auto&) {});
    two.ask();
    two.b.beat(true, false);
    two.a.beat(false, true);
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().code == kExitTempFail);
    CHECK(two.b.talk->served() == 0);
  }
  SECTION("an answer that is too large") {
    two.b.talk->serve(Kind::action, [](std::uint8_t, const std::string&, const auto& reply) {
      reply(std::string(kAnswerMax + 1, 'x'));
    });
    two.ask();
    two.b.beat(true, false);
    two.a.beat(false, true);
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().code == kExitUnavailable);
  }
}

// A database row of another node may say any number.
TEST_CASE("a refusal's code is one of sysexits.h whatever its row says") {
  TwoTalkers two;
  const int code = GENERATE(1, -1, 63, 79, 300, -32768, 32767);
  CAPTURE(code);
  two.ask();
  two.rows.answers.push_back({0, two.rows.requests[0].number, code, "no"});
  two.a.beat(false, true);
  REQUIRE(two.heard.size() == 1);
  CHECK(two.heard[0].error().code == kExitProtocol);
  CHECK(two.heard[0].error().text == "no");
}

TEST_CASE("a request that cannot be sent is an error that names the node") {
  TwoTalkers two;
  SECTION("the database is away") {
    two.rows.trouble = StoreError{StoreError::Kind::away, "nobody there"};
    two.ask();
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().text == "b cannot be asked now: nobody there");
  }
  SECTION("too much lies there") {
    two.rows.full = true;
    two.ask();
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().text == "b does not take requests: too many lie there for it");
  }
  SECTION("it is too large") {
    two.ask(std::string(kRequestMax + 1, 'x'));
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().code == kExitDataError);
  }
  SECTION("too many wait already") {
    for (std::size_t i = 0; i < kAsksMax; ++i) two.ask();
    CHECK(two.heard.empty());
    two.ask();
    REQUIRE(two.heard.size() == 1);
    CHECK(two.heard[0].error().code == kExitTempFail);
    CHECK(two.rows.requests.size() == kAsksMax);
  }
}

TEST_CASE("a node that does not answer is named, and what comes later is dropped") {
  TwoTalkers two;
  two.b.talk->serve(Kind::action, [](std::uint8_t, const std::string&, const auto& reply) {
    reply(std::string("late"));
  });
  net::Timer stop(two.loop);
  stop.start(std::chrono::milliseconds(400), [&] { two.loop.stop(); });
  two.ask("do it", std::chrono::milliseconds(150));
  two.loop.run();
  REQUIRE(two.heard.size() == 1);
  CHECK(two.heard[0].error().text ==
        "b has not answered within 150ms; it may have done what it was asked for, or not");
  CHECK(two.heard[0].error().code == kExitTempFail);
  two.a.keeper.run();
  two.b.beat(true, false);
  two.a.beat(false, true);
  CHECK(two.heard.size() == 1);
  CHECK(two.rows.answers.empty());
}

TEST_CASE("while an answer is awaited it is looked for without a beat") {
  TwoTalkers two;
  two.b.talk->serve(Kind::action, [](std::uint8_t, const std::string&, const auto& reply) {
    reply(std::string("done"));
  });
  two.ask();
  two.b.beat(true, false);
  net::Timer keeper(two.loop);
  keeper.repeat(std::chrono::milliseconds(20), [&] {
    two.a.keeper.run();
    if (!two.heard.empty()) two.loop.stop();
  });
  two.loop.run();
  REQUIRE(two.heard.size() == 1);
  CHECK(two.heard[0].ok());
}

TEST_CASE("a node serves so many at once, and the others later") {
  TwoTalkers two;
  std::vector<Requests::Reply> open;
  two.b.talk->serve(Kind::action, [&](std::uint8_t, const std::string&, Requests::Reply reply) {
    open.push_back(std::move(reply));
  });
  for (std::size_t i = 0; i < kServedMax + 5; ++i)
    two.rows.requests.push_back({1, 0, static_cast<std::int64_t>(i), 1, Duration(1000), "x"});
  two.b.beat(true, false);
  CHECK(open.size() == kServedMax);
  two.b.beat(true, false);
  CHECK(open.size() == kServedMax);
  for (auto& reply : std::exchange(open, {})) reply(std::string("done"));
  two.b.beat(true, false);
  CHECK(open.size() == 5);
  CHECK(two.rows.requests.empty());
  // Whoever replies later than this ends does no harm.
  two.b.talk.reset();
  open[0](std::string("too late"));
}
