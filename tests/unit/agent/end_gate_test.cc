// Ends of data that wait for qmgr's word, through a whole delivery client. The clock is the test's.
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "common/agent/pacing/end_gate.h"
#include "common/config/config.h"
#include "tests/unit/agent/agent_harness.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;
using namespace std::chrono_literals;

namespace {

std::int64_t ms_of(BootTime time) {
  return time.time_since_epoch().count();
}

// As qmgr says it: good for 3 seconds.
void say_word(World& w, Duration age = 0ms, bool fenced = false) {
  w.qmgr.send(ipc::Word{ms_of(w.boot - age), 3000, fenced});
}

bool begins(const std::string& line, const char* verb) {
  return line.starts_with(verb);
}

std::size_t lines_of(World& w, const char* verb) {
  return static_cast<std::size_t>(
      std::count_if(w.server.lines.begin(), w.server.lines.end(),
                    [verb](const std::string& line) { return begins(line, verb); }));
}

bool all_gone(World& w) {
  return std::all_of(w.server.peers().begin(), w.server.peers().end(),
                     [](const auto& peer) { return peer->gone; });
}

const char* const kDelivered = "delivered final_reply nobody";
const char* const kGivenUp = "deferred local local";

// Everything but the end has arrived.
void until_held(World& w, const std::string& content = "hello\r\n") {
  w.until([&] { return !w.server.peers().empty() && w.server.peers().back()->text == content; });
  w.wait(60ms);
  CHECK(w.server.messages.empty());
}

}  // namespace

TEST_CASE("W1: words: a process that has never had one waits for nothing") {
  World w;
  w.boot += 24h;
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == kDelivered);
}

TEST_CASE("W2: words: an end of data waits while the word is old, and leaves with a new one") {
  bool lmtp = GENERATE(false, true);
  World w(lmtp ? smtp::kLmtp : smtp::kSmtp);
  say_word(w, 3s);
  auto lease = w.give({"a@y", "b@y"});
  until_held(w);
  CHECK_FALSE(w.done(lease));
  say_word(w, 5s);  // no better
  w.wait(60ms);
  CHECK(w.server.messages.empty());
  say_word(w, 2999ms);
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease, 10) == kDelivered);
  CHECK(w.text(lease, 11) == kDelivered);
  CHECK(w.server.messages == std::vector<std::string>{"hello\r\n"});
}

TEST_CASE("W3: words: under good ones nothing waits, and time alone makes them old") {
  World w;
  say_word(w);
  for (int i = 0; i < 3; ++i) {
    auto lease = w.give({"a@y"});
    w.until([&] { return w.done(lease); });
    CHECK(w.text(lease) == kDelivered);
    w.boot += 900ms;
  }
  w.boot += 300ms;
  auto lease = w.give({"a@y"});
  w.until([&] { return w.server.peers()[0]->text == "hello\r\n" && w.server.peers()[0]->content; });
  w.wait(60ms);
  CHECK(w.server.messages.size() == 3);
  say_word(w);
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == kDelivered);
  CHECK(w.server.connections == 1);
}

TEST_CASE("W4: words: one from the future counts as old until its time has come") {
  World w;
  say_word(w, -1s);
  auto lease = w.give({"a@y"});
  until_held(w);
  w.boot += 1s;  // no other word comes
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == kDelivered);
}

TEST_CASE("W5: words: after ten seconds the attempt is given up, and nobody is in doubt") {
  bool lmtp = GENERATE(false, true);
  World w(lmtp ? smtp::kLmtp : smtp::kSmtp);
  w.config.delivery.timeouts.block = w.config.delivery.timeouts.final = 100ms;
  say_word(w, 4s);
  auto lease = w.give({"a@y"});
  until_held(w);
  w.boot += 9999ms;
  w.wait(150ms);  // the peer's time-outs do not count meanwhile
  CHECK_FALSE(w.done(lease));
  w.boot += 1ms;
  w.until([&] { return w.done(lease) && all_gone(w); });
  CHECK(w.text(lease) == kGivenUp);
  CHECK(w.outcome(lease).reply.enhanced.text() == "4.3.0");
  CHECK(w.outcome(lease).reply.text.find("confirmed") != std::string::npos);
  CHECK(w.server.messages.empty());
  CHECK(lines_of(w, "QUIT") == 0);
}

TEST_CASE("W6: words: fenced, what waits ends at once, and what comes is given back") {
  World w;
  say_word(w, 4s);
  auto held = w.give({"a@y"});
  until_held(w);
  say_word(w, 0ms, true);
  w.until([&] { return w.done(held) && all_gone(w); });
  CHECK(w.text(held) == kGivenUp);
  say_word(w);  // of a term that has ended: it is not heard
  auto next = w.give({"a@y"});
  w.until([&] { return w.done(next); });
  CHECK(w.text(next) == kGivenUp);
  CHECK(w.server.messages.empty());
  CHECK(w.server.connections == 1);
}

TEST_CASE("W7: words: fenced, what is past its end is awaited and told") {
  World w;
  w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
  w.server.on_line = [&w](Server::Peer&, const std::string&) {
    return w.server.messages.empty() ? "" : "~";
  };
  say_word(w);
  auto give = [&w] {  // all over one connection
    ipc::Lease lease = w.lease({"a@y"}, "hello\r\n");
    lease.bounds.connections = 1;
    w.qmgr.send(lease);
    return lease.lease;
  };
  auto past = give();
  auto behind = give();
  w.until([&] { return w.server.messages.size() == 1; });
  // The next one's envelope is behind it on the same connection.
  w.until([&] { return lines_of(w, "MAIL") == 2; });
  say_word(w, 0ms, true);
  w.until([&] { return w.done(behind); });
  CHECK(w.text(behind) == kGivenUp);
  CHECK_FALSE(w.done(past));
  w.server.say(*w.server.peers()[0], "250 2.0.0 done\r\n");
  w.until([&] { return w.done(past) && all_gone(w); });
  CHECK(w.text(past) == kDelivered);
  CHECK(w.server.messages.size() == 1);
}

TEST_CASE("W8: words: with the next qmgr mail flows again, when that has said its word") {
  World w;
  say_word(w, 0ms, true);
  auto first = w.give({"a@y"});
  w.until([&] { return w.done(first); });
  CHECK(w.text(first) == kGivenUp);
  w.qmgr.die();
  w.wait(20ms);
  w.qmgr.listen();
  w.until([&] { return w.qmgr.up; });
  auto second = w.give({"a@y"});
  until_held(w);
  say_word(w);
  w.until([&] { return w.done(second); });
  CHECK(w.text(second) == kDelivered);
}

TEST_CASE(
    "W9: words: qmgr is gone while an end waits: it never leaves, and nothing is told of it") {
  World w;
  say_word(w, 4s);
  w.give({"a@y"});
  until_held(w);
  w.qmgr.die();
  w.until([&] { return all_gone(w); });
  w.boot -= 3s;  // the word would be good now
  w.qmgr.listen();
  w.until([&] { return w.qmgr.up; });
  w.wait(60ms);
  CHECK(w.server.messages.empty());
  CHECK(w.qmgr.late.empty());
}

TEST_CASE("W10: words: a connection that ends while an end waits leaves no doubt") {
  World w;
  say_word(w, 4s);
  auto lease = w.give({"a@y"});
  until_held(w);
  SECTION("it ends") {
    w.server.hang_up_all();
    w.until([&] { return w.done(lease); });
    CHECK(w.text(lease) == "deferred content destination");
  }
  SECTION("the server refuses the content before it has all of it") {
    w.server.say(*w.server.peers()[0], "554 5.7.1 spam\r\n");
    w.until([&] { return w.done(lease); });
    CHECK(w.text(lease) == "failed content message");
  }
  SECTION("the server says it has it") {
    w.server.say(*w.server.peers()[0], "250 2.0.0 done\r\n");
    w.until([&] { return w.done(lease); });
    CHECK(w.text(lease) == "deferred content destination");
  }
  say_word(w);
  w.wait(60ms);
  CHECK(w.server.messages.empty());
}

TEST_CASE("W11: words: messages that travel whole, one behind the other") {
  World w;
  w.server.extensions = "250-there\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
  say_word(w);
  std::vector<std::uint64_t> leases;
  auto all_done = [&] {
    return std::all_of(leases.begin(), leases.end(), [&](auto l) { return w.done(l); });
  };
  // The first ones find out how the server is.
  for (int i = 0; i < 6; ++i) {
    leases.push_back(w.give({"a@y"}));
    w.until(all_done);
  }
  REQUIRE(lines_of(w, "BDAT") >= 6);
  w.boot += 4s;
  for (int i = 0; i < 40; ++i) leases.push_back(w.give({"a@y"}, "hello\r\n" + std::to_string(i)));
  w.wait(100ms);
  CHECK(w.server.messages.size() == 6);
  for (std::size_t i = 6; i < leases.size(); ++i) CHECK_FALSE(w.done(leases[i]));
  SECTION("a word comes") {
    say_word(w);
    w.until(all_done);
    for (auto lease : leases) CHECK(w.text(lease) == kDelivered);
    CHECK(w.server.messages.size() == 46);
  }
  SECTION("fenced") {
    say_word(w, 0ms, true);
    w.until(all_done);
    for (std::size_t i = 6; i < leases.size(); ++i) CHECK(w.text(leases[i]) == kGivenUp);
    CHECK(w.server.messages.size() == 6);
  }
}

TEST_CASE("W12: words: the rest of a flight that the kernel did not take waits as well") {
  World w;
  for (int i = 0; i < 60'000; ++i)
    w.qmgr.content += ". line " + std::to_string(i) + std::string(90, 'x') + "\r\n";
  ipc::Lease lease = w.lease({"a@y"}, {});
  lease.inlined = false;
  lease.size = w.qmgr.content.size();
  say_word(w);
  // The server reads nothing behind DATA: all that is left to send is held up in this process.
  w.server.on_line = [&](Server::Peer& peer, const std::string& line) {
    if (line == "DATA") peer.stream.pause();
    return "";
  };
  w.qmgr.send(lease);
  w.until([&] { return lines_of(w, "DATA") == 1; });
  w.wait(50ms);
  w.boot += 5s;  // before the last octets are with the kernel, or the server
  Server::Peer& peer = *w.server.peers()[0];
  peer.stream.resume();
  w.until([&] { return peer.text.size() == w.qmgr.content.size(); });
  w.wait(60ms);
  CHECK(w.server.messages.empty());
  SECTION("a word comes") {
    say_word(w);
    w.until([&] { return w.done(lease.lease); });
    CHECK(w.text(lease.lease) == kDelivered);
    CHECK((w.server.messages[0] == w.qmgr.content));
  }
  SECTION("none comes") {
    w.boot += 10s;
    w.until([&] { return w.done(lease.lease) && peer.gone; });
    CHECK(w.text(lease.lease) == kGivenUp);
    CHECK(w.server.messages.empty());
  }
}

TEST_CASE("W13: words: recipients are asked after without one") {
  World w;
  say_word(w, 4s);
  ipc::Lease probe = w.lease({"a@y"}, {});
  probe.probe = true;
  w.qmgr.send(probe);
  w.until([&] { return w.done(probe.lease); });
  CHECK(w.text(probe.lease) == "delivered rcpt nobody");
}

TEST_CASE("W14: words: what no qmgr would say ends the link to it") {
  World w;
  w.qmgr.send(ipc::Word{-1, 3000, false});
  w.until([&] { return w.qmgr.hellos == 2; });
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == kDelivered);
}

namespace {

struct Looks : EndGate::Waiter {
  explicit Looks(std::function<void()> does) : on_look(std::move(does)) {}
  void look_again() override {
    ++times;
    if (on_look) on_look();
  }
  std::function<void()> on_look;
  int times = 0;
};

}  // namespace

TEST_CASE("W15: gate: who waits is asked at each word and every step, until he has gone") {
  net::Loop loop;
  BootTime now(1h);
  EndGate gate(loop, [&now] { return now; });
  CHECK(gate.is_open());
  CHECK_FALSE(gate.is_used());
  Looks second(nullptr);
  Looks first([&] {
    gate.forget(first);
    gate.forget(second);  // another one that has not been asked, or has
  });
  gate.wait(first);
  gate.wait(second);
  REQUIRE(gate.take({ms_of(now) - 3000, 3000, false}));
  CHECK(first.times == 1);
  CHECK(second.times <= 1);
  CHECK_FALSE(gate.is_open());
  CHECK(gate.decide(now) == smtp::EndDecision::wait);
  int before = second.times;
  gate.wait(second);
  net::Timer stop(loop);
  stop.start(90ms, [&] { loop.stop(); });
  loop.run();
  CHECK(second.times - before >= 2);
  CHECK(second.times - before <= 5);
  gate.forget(second);
  CHECK(gate.decide(now - 10s) == smtp::EndDecision::give_up);
  CHECK_FALSE(gate.take({INT64_MIN, UINT32_MAX, false}));
  REQUIRE(gate.take({INT64_MAX, UINT32_MAX, false}));
  CHECK_FALSE(gate.is_open());
  REQUIRE(gate.take({ms_of(now), 3000, true}));
  CHECK(gate.decide(now) == smtp::EndDecision::stop);
  REQUIRE(gate.take({ms_of(now), 3000, false}));
  CHECK(gate.is_fenced());
  gate.new_term();
  CHECK_FALSE(gate.is_fenced());
  CHECK_FALSE(gate.is_open());
  REQUIRE(gate.take({ms_of(now), 3000, false}));
  CHECK(gate.is_open());
}
