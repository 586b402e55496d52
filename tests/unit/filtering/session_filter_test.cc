// What a session tells the filters and hears of them (common/filtering). The test is `filter`, at
// the other end of the link.
#include <algorithm>

#include <catch2/catch.hpp>

#include <csignal>

#include <sys/socket.h>

#include "common/daemon/ipc_connection.h"
#include "common/filtering/session_filter.h"

using namespace postwain;
using namespace postwain::filtering;

namespace {

constexpr const char* kListener = "127.0.0.1:25";

struct Owner final : SessionFilter::Owner {
  std::vector<ipc::FilterAnswer> answers;
  std::vector<ipc::FilterAnswer> refused;
  std::vector<ipc::FilterResult> results;
  std::string body;
  int opened = 0;
  void filter_answered(const ipc::FilterAnswer& answer) override { answers.push_back(answer); }
  void filter_refused_content(const ipc::FilterAnswer& answer) override {
    refused.push_back(answer);
  }
  void filter_window_opened() override { ++opened; }
  bool filter_body(std::string_view octets) override {
    body += octets;
    return true;
  }
  void filter_concluded(const ipc::FilterResult& result) override {
    results.push_back(result);
    results.back().section = {};
  }
};

struct Bench {
  explicit Bench(FilterFallback fallback = FilterFallback::defer)
      : link(loop, {{kListener, fallback}}),
        session(&link, kListener, ipc::FilterKind::world, owner) {
    ::signal(SIGPIPE, SIG_IGN);  // as every process does
  }
  ~Bench() { far.reset(); }

  // A link with a `filter` that wants this.
  void connect(std::uint32_t stages = ipc::kAllFilterStages) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    FilterConnection* before = link.current();
    link.adopt(UniqueFd(ends[0]));
    far = std::make_unique<daemon::IpcConnection>(
        loop, net::Stream::adopt(loop, ends[1], net::Carries::descriptors).take(),
        daemon::IpcConnection::Callbacks{.on_frame =
                                             [this](ipc::FrameType type, std::string_view payload) {
                                               take(type, payload);
                                               return true;
                                             },
                                         .on_closed = [this](const std::string&) { ++closes; }});
    ipc::FilterWants wants;
    wants.listeners.push_back({kListener, stages, true});
    say(wants);
    until([&] { return link.current() != nullptr && link.current() != before; });
  }
  void take(ipc::FrameType type, std::string_view payload) {
    if (type == ipc::FrameType::filter_event) {
      ipc::FilterEvent event;
      REQUIRE(ipc::decode(payload, event));
      events.push_back(std::move(event));
    } else if (type == ipc::FrameType::filter_body) {
      ipc::FilterBody piece;
      REQUIRE(ipc::decode(payload, piece));
      body_octets += piece.octets.size();
    }
    kinds.push_back(type);
  }
  template <class Message>
  void say(const Message& message) {
    far->send(message);
    far->flush();
  }
  void answer(ipc::FilterVerdict verdict, std::uint32_t number) {
    ipc::FilterAnswer said;
    said.session = events.front().session;
    said.number = number;
    said.verdict = verdict;
    say(said);
  }
  void until(const std::function<bool()>& done) {
    MonoTime end = mono_now() + std::chrono::minutes(1);
    net::Timer look(loop);
    look.repeat(std::chrono::milliseconds(2), [&] {
      if (done() || mono_now() > end) loop.stop();
    });
    if (!done()) loop.run();
    REQUIRE(done());
  }
  void until_told(std::size_t count) {
    until([&] { return events.size() >= count; });
  }

  net::Loop loop;
  Owner owner;
  FilterLink link;
  SessionFilter session;
  std::unique_ptr<daemon::IpcConnection> far;
  std::vector<ipc::FilterEvent> events;
  std::vector<ipc::FrameType> kinds;
  std::size_t body_octets = 0;
  int closes = 0;  // connections that the session's side has ended
};

}  // namespace

TEST_CASE("where there are no filters nothing is told and nothing awaited", "[filter]") {
  Owner owner;
  SessionFilter session(nullptr, kListener, ipc::FilterKind::world, owner);
  CHECK_FALSE(session.is_on());
  CHECK_FALSE(session.connect());
  CHECK_FALSE(session.mail("<a@b.org>", {}));
  CHECK_FALSE(session.refusal());
  session.header("A: 1\r\n", 0);
  CHECK(session.body("x") == 1);
  session.end_of_message(7);
  REQUIRE(owner.results.size() == 1);
  CHECK(owner.results[0].verdict == ipc::FilterVerdict::keep_going);
}

TEST_CASE("a session waits for what a filter wants to answer, and for nothing else", "[filter]") {
  Bench bench;
  bench.connect(ipc::bit_of(ipc::FilterStage::rcpt));
  CHECK_FALSE(bench.session.connect());
  CHECK_FALSE(bench.session.helo("client.example"));
  bench.session.set_macro(ipc::ToldMacro::queue_id, "ID");
  CHECK_FALSE(bench.session.mail("<a@b.org>", {"SIZE=10"}));
  CHECK(bench.session.rcpt("<c@d.org>", {}));
  bench.until_told(4);
  CHECK(bench.events[2].arguments == std::vector<std::string>{"SIZE=10"});
  REQUIRE(bench.events[2].macros.size() == 1);
  CHECK(bench.events[2].macros[0].value == "ID");
  CHECK(bench.events[3].awaited);
  bench.answer(ipc::FilterVerdict::refuse, bench.events[3].number);
  bench.until([&] { return bench.owner.answers.size() == 1; });
  CHECK(bench.owner.answers[0].verdict == ipc::FilterVerdict::refuse);
}

TEST_CASE("an answer to what was given up is nobody's", "[filter]") {
  Bench bench;
  bench.connect();
  CHECK(bench.session.connect());
  bench.until_told(1);
  bench.session.abort();
  bench.answer(ipc::FilterVerdict::refuse, bench.events[0].number);
  CHECK(bench.session.mail("<a@b.org>", {}));
  bench.until_told(2);
  bench.answer(ipc::FilterVerdict::keep_going, bench.events[1].number);
  bench.until([&] { return !bench.owner.answers.empty(); });
  CHECK(bench.owner.answers.size() == 1);
  CHECK(bench.owner.answers[0].verdict == ipc::FilterVerdict::keep_going);
}

TEST_CASE("no more of a body is told than the window takes", "[filter]") {
  Bench bench;
  bench.connect(0);
  (void)bench.session.connect();
  (void)bench.session.mail("<a@b.org>", {});
  bench.session.header("A: 1\r\n", 0);
  std::string body(ipc::kFilterFirstWindow + 1000, 'x');
  CHECK(bench.session.body(body) == ipc::kFilterFirstWindow);
  CHECK(bench.session.window_is_full());
  CHECK(bench.session.body("more") == 0);
  bench.until([&] { return bench.body_octets == ipc::kFilterFirstWindow; });
  bench.say(ipc::FilterWindow{bench.events.front().session, 5000});
  bench.until([&] { return bench.owner.opened == 1; });
  CHECK(bench.session.body(std::string(9000, 'x')) == 5000);
}

TEST_CASE("while the filters cannot be asked their fallback counts, for one message", "[filter]") {
  struct Case {
    FilterFallback fallback;
    int at_mail;
    ipc::FilterVerdict verdict;
    bool hold;
  };
  for (const Case& one : {Case{FilterFallback::accept, 0, ipc::FilterVerdict::keep_going, false},
                          Case{FilterFallback::hold, 0, ipc::FilterVerdict::keep_going, true},
                          Case{FilterFallback::defer, 451, ipc::FilterVerdict::defer, false},
                          Case{FilterFallback::refuse, 554, ipc::FilterVerdict::refuse, false}}) {
    Bench bench(one.fallback);
    auto refusal = bench.session.refusal();
    CHECK((refusal ? refusal->code : 0) == one.at_mail);
    CHECK_FALSE(bench.session.mail("<a@b.org>", {}));
    bench.session.end_of_message(7);
    REQUIRE(bench.owner.results.size() == 1);
    CHECK(bench.owner.results[0].verdict == one.verdict);
    CHECK(bench.owner.results[0].hold.has_value() == one.hold);
    // The next message finds a `filter` that was started meanwhile, which hears what went before.
    bench.connect();
    CHECK_FALSE(bench.session.refusal());
    CHECK(bench.session.mail("<a@b.org>", {}));
    bench.until_told(2);
    CHECK(bench.events[0].stage == ipc::FilterStage::connect);
    CHECK_FALSE(bench.events[0].awaited);
  }
}

TEST_CASE("a filter process that dies answers nothing more, and nobody waits for ever",
          "[filter]") {
  Bench bench(FilterFallback::hold);
  bench.connect();
  CHECK(bench.session.connect());
  bench.until_told(1);
  SECTION("while a command waits") {
    bench.far.reset();
    bench.until([&] { return bench.owner.answers.size() == 1; });
    CHECK(bench.owner.answers[0].verdict == ipc::FilterVerdict::keep_going);
  }
  SECTION("while a message waits") {
    (void)bench.session.mail("<a@b.org>", {});
    bench.session.end_of_message(7);
    bench.until_told(3);
    bench.far.reset();
    bench.until([&] { return bench.owner.results.size() == 1; });
    CHECK(bench.owner.results[0].hold.has_value());
  }
}

TEST_CASE("another body comes in pieces, each of which is confirmed", "[filter]") {
  Bench bench;
  bench.connect(0);
  (void)bench.session.connect();
  (void)bench.session.mail("<a@b.org>", {});
  bench.session.end_of_message(7);
  bench.until_told(3);
  std::uint64_t session = bench.events[0].session;
  bench.say(ipc::FilterBodyPiece{session, "new "});
  bench.say(ipc::FilterBodyPiece{session, "body"});
  ipc::FilterResult result;
  result.session = session;
  result.number = bench.events[2].number;
  result.body_replaced = true;
  bench.say(result);
  bench.until([&] { return bench.owner.results.size() == 1; });
  CHECK(bench.owner.body == "new body");
  bench.until([&] {
    return std::count(bench.kinds.begin(), bench.kinds.end(), ipc::FrameType::filter_window) == 2;
  });
}

TEST_CASE("a link that says what cannot be understood ends", "[filter]") {
  Bench bench;
  bench.connect();
  bench.far->send_frames(std::string("\x02\0\0\0\x01\0", 6));
  bench.far->flush();
  bench.until([&] { return bench.link.current() == nullptr; });
  CHECK(bench.session.refusal()->code == 451);
}

TEST_CASE("a message that is under way ends on the filter where it began", "[filter]") {
  Bench bench;
  bench.connect();
  bench.session.connect();
  bench.session.mail("<a@b.org>", {});
  bench.until_told(2);
  auto former = std::move(bench.far);
  bench.connect();  // a reload: another `filter` is there
  bench.session.end_of_message(7);
  bench.until_told(3);
  CHECK(bench.events[2].stage == ipc::FilterStage::end_of_message);
  CHECK(bench.events[2].session == bench.events[0].session);
  ipc::FilterResult result;
  result.session = bench.events[0].session;
  result.number = bench.events[2].number;
  result.hold = "by the former one";
  former->send(result);
  former->flush();
  bench.until([&] { return bench.owner.results.size() == 1; });
  CHECK(bench.owner.results[0].hold == "by the former one");
}

TEST_CASE("the next message goes to the filters that are configured then", "[filter]") {
  Bench bench;
  bench.connect();
  bench.session.connect();
  bench.session.helo("client.example");
  bench.session.mail("<a@b.org>", {});
  bench.until_told(3);
  auto former = std::move(bench.far);
  bench.connect();
  bench.session.abort();
  bench.session.mail("<c@d.org>", {});
  bench.until_told(6);
  CHECK(bench.events[3].stage == ipc::FilterStage::connect);
  CHECK(bench.events[3].session != bench.events[0].session);
  CHECK_FALSE(bench.events[3].awaited);
  CHECK(bench.events[4].stage == ipc::FilterStage::helo);
  CHECK(bench.events[4].text == "client.example");
  CHECK(bench.events[5].stage == ipc::FilterStage::mail);
  CHECK(bench.events[5].text == "<c@d.org>");
  // Nobody needs the former connection any more.
  bench.until([&] { return bench.closes == 1; });
}

TEST_CASE("a filter that ends after another one has come takes only its own message along",
          "[filter]") {
  Bench bench;
  bench.connect();
  bench.session.connect();
  bench.session.mail("<a@b.org>", {});
  bench.until_told(2);
  auto former = std::move(bench.far);
  bench.connect();
  former.reset();
  bench.session.end_of_message(7);
  bench.until([&] { return bench.owner.opened > 0 || !bench.owner.results.empty(); });
  if (bench.owner.results.empty()) bench.session.end_of_message(7);
  REQUIRE(bench.owner.results.size() == 1);
  CHECK(bench.owner.results[0].verdict == ipc::FilterVerdict::defer);
  CHECK_FALSE(bench.session.refusal());
  bench.session.abort();
  bench.session.mail("<c@d.org>", {});
  bench.until([&] { return bench.events.back().text == "<c@d.org>"; });
}

TEST_CASE("no message begins where the filters are about to end; one under way goes on") {
  Bench bench;
  bench.connect();
  bench.session.connect();
  bench.session.mail("<a@b.org>", {});
  bench.until_told(2);
  auto former = std::move(bench.far);
  former->send(ipc::Draining{});
  former->flush();
  bench.until([&] { return bench.link.current() == nullptr; });
  bench.until([&] {
    return std::count(bench.kinds.begin(), bench.kinds.end(), ipc::FrameType::nothing_more) == 1;
  });
  CHECK(bench.session.rcpt("<c@d.org>", {}));
  bench.until_told(3);
  bench.events.clear();
  bench.connect();
  bench.session.abort();
  bench.session.mail("<e@b.org>", {});
  bench.until_told(2);
  CHECK(bench.events.back().stage == ipc::FilterStage::mail);
  CHECK(bench.events.back().text == "<e@b.org>");
  bench.until([&] { return bench.closes == 1; });  // the former, which nobody needs any more
}

TEST_CASE("filters that say twice that they are about to end are none of ours") {
  Bench bench;
  bench.connect();
  bench.say(ipc::Draining{});
  bench.say(ipc::Draining{});
  bench.until([&] { return bench.closes == 1; });
}
