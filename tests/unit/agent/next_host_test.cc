// What a host lacks, puts off, or does not answer: asked in another way, or somewhere else.
#include <algorithm>

#include "common/config/config.h"
#include "tests/unit/agent/agent_harness.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;
using mail::Ability;

namespace {

std::string verb_of(const std::string& line) {
  return line.substr(0, 4);
}

std::size_t count_of(const std::vector<std::string>& lines, const std::string& verb) {
  return static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [&](const std::string& line) { return verb_of(line) == verb; }));
}

}  // namespace

TEST_CASE("what is remembered of hosts: suspected, learned, seen working, for a day") {
  HostMemory memory;
  MonoTime now = mono_now();
  CHECK(memory.lacks("a:25", now).empty());
  CHECK(memory.suspect("a:25", Ability::pipelining, now));
  CHECK_FALSE(memory.suspect("a:25", Ability::pipelining, now));
  CHECK(memory.lacks("a:25", now).has(Ability::pipelining));
  CHECK(memory.learned("a:25", now).empty());
  CHECK(memory.confirm("a:25", mail::AbilitySet(), now).empty());
  CHECK(memory.confirm("a:25", memory.lacks("a:25", now), now).has(Ability::pipelining));
  CHECK(memory.learned("a:25", now).has(Ability::pipelining));
  CHECK(memory.lacks("b:25", now).empty());
  CHECK(memory.lacks("a:25", now + kLackKept + Duration(1)).empty());
  memory.acquit("a:25", Ability::pipelining);
  CHECK(memory.lacks("a:25", now).empty());
  mail::AbilitySet seen;
  seen.add(Ability::chunking);
  memory.works("a:25", seen, now);
  CHECK_FALSE(memory.suspect("a:25", Ability::chunking, now));
  CHECK(memory.learn("a:25", Ability::chunking, now));  // it says so itself now
  CHECK_FALSE(memory.proven("a:25", now).has(Ability::chunking));
  for (std::size_t i = 0; i < kHostsRemembered + 10; ++i)
    memory.learn(std::to_string(i), Ability::dsn, now + Duration(1));
  CHECK(memory.learned("a:25", now).empty());  // the oldest made room
}

TEST_CASE("F4: BDAT refused: the content goes by DATA, at once, and so from then on") {
  World w;
  w.server.extensions = "250-there\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
  w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
    bool known = verb_of(line) == "EHLO" || verb_of(line) == "MAIL" || verb_of(line) == "RCPT" ||
                 verb_of(line) == "DATA" || verb_of(line) == "QUIT" || verb_of(line) == "RSET";
    return known ? "" : "500 5.5.2 unknown\r\n";
  };
  auto one = w.give({"a@y"}, "Received: x\r\n\r\nDATA\r\n");
  auto two = w.give({"b@y"}, "Received: y\r\n\r\nhello\r\n");
  w.until([&] { return w.done(one) && w.done(two); });
  CHECK(w.text(one) == "delivered final_reply nobody");
  CHECK(w.text(two) == "delivered final_reply nobody");
  CHECK(w.server.messages.size() == 2);
  CHECK(count_of(w.server.lines, "BDAT") == 1);
  CHECK(count_of(w.server.lines, "Rece") == 1);  // one line of content was taken for a command
  auto three = w.give({"c@y"});
  w.until([&] { return w.done(three); });
  CHECK(count_of(w.server.lines, "BDAT") == 1);
}

TEST_CASE("F6: what a host puts off goes to the next one in the same attempt") {
  World w;
  Server second(w.loop, false);
  w.hosts.hosts.candidates.push_back({"second.example", second.endpoint()});
  struct Row {
    const char* verb;
    const char* reply;
  };
  Row row = GENERATE(Row{"MAIL", "451 4.7.1 later\r\n"}, Row{"MAIL", "421 4.3.2 bye\r\n"},
                     Row{"MAIL", "-"}, Row{"RCPT", "451 4.3.0 later\r\n"}, Row{"RCPT", "-"},
                     Row{"DATA", "451 4.3.0 later\r\n"}, Row{"DATA", "-"});
  CAPTURE(row.verb, row.reply);
  w.server.on_line = [row](Server::Peer&, const std::string& line) -> std::string {
    bool refused = std::string(row.verb) == "MAIL";  // then there is no transaction
    if (refused && (verb_of(line) == "RCPT" || verb_of(line) == "DATA")) return "503 5.5.1 no\r\n";
    return verb_of(line) == row.verb ? row.reply : "";
  };
  auto one = w.give({"a@y", "b@y"});
  auto two = w.give({"c@y"});
  w.until([&] { return w.done(one) && w.done(two); });
  CHECK(w.text(one, 10) == "delivered final_reply nobody");
  CHECK(w.text(one, 11) == "delivered final_reply nobody");
  CHECK(w.outcome(two).remote_host == "second.example");
  CHECK(w.server.messages.empty());
  CHECK(second.messages.size() == 2);
}

TEST_CASE("F6: only those who were put off, and nobody twice") {
  World w;
  Server second(w.loop, false);
  w.hosts.hosts.candidates.push_back({"second.example", second.endpoint()});
  w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
    return line == "RCPT TO:<b@y>" ? "450 4.2.1 not now\r\n" : "";
  };
  auto lease = w.give({"a@y", "b@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.outcome(lease, 10).remote_host == "server.example");
  CHECK(w.outcome(lease, 11).remote_host == "second.example");
  CHECK(w.server.messages.size() == 1);
  CHECK(second.messages.size() == 1);
  CHECK(count_of(second.lines, "RCPT") == 1);
}

TEST_CASE("F6: when nobody takes it, what a host said counts; a refusal of the second is none") {
  World w;
  Server second(w.loop, false);
  w.hosts.hosts.candidates.push_back({"second.example", second.endpoint()});
  w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
    return verb_of(line) == "RCPT" ? "450 4.7.1 greylisted\r\n" : "";
  };
  int said = 450;
  SECTION("it cannot be reached") {
    second.greeting = "554 no\r\n";
  }
  SECTION("it refuses") {
    second.on_line = [](Server::Peer&, const std::string& line) -> std::string {
      return verb_of(line) == "RCPT" ? "550 5.7.1 relay denied\r\n" : "";
    };
  }
  SECTION("it puts off as well") {
    second.on_line = [](Server::Peer&, const std::string& line) -> std::string {
      return verb_of(line) == "RCPT" ? "451 4.3.0 later\r\n" : "";
    };
    said = 451;
  }
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == "deferred rcpt recipient");
  CHECK(w.outcome(lease).reply.code == said);
}

TEST_CASE("F6: behind the end of the content, and at fallback hosts, nobody else is asked") {
  World w;
  Server second(w.loop, false);
  w.hosts.hosts.candidates.push_back({"second.example", second.endpoint()});
  std::string want = "deferred final_reply destination in_doubt";
  SECTION("in doubt") {
    w.server.on_final = [](Server::Peer&, std::size_t) { return "-"; };
  }
  SECTION("put off") {
    w.server.on_final = [](Server::Peer&, std::size_t) { return "451 4.3.0 later\r\n"; };
    want = "deferred final_reply message";
  }
  SECTION("fallback") {
    w.hosts.hosts.candidates.back().is_fallback = true;
    w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
      return verb_of(line) == "RCPT" ? "450 4.7.1 greylisted\r\n" : "";
    };
    want = "deferred rcpt recipient";
  }
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == want);
  CHECK(second.connections == 0);
}

TEST_CASE("F7: a host that throws flights away is asked one by one from the next attempt on") {
  World w;
  w.config.delivery.timeouts.command = std::chrono::milliseconds(60);
  bool first = true;
  w.server.on_line = [&](Server::Peer& peer, const std::string& line) -> std::string {
    if (verb_of(line) != "MAIL" || peer.in.empty()) return "";
    first = false;
    peer.in.clear();  // what stands behind a command is lost
    return "";
  };
  auto one = w.give({"a@y"});
  w.until([&] { return w.done(one); });
  CHECK(w.text(one) == "deferred rcpt destination");
  CHECK_FALSE(first);
  auto two = w.give({"a@y"});
  w.until([&] { return w.done(two); });
  CHECK(w.text(two) == "delivered final_reply nobody");
}

TEST_CASE("D10: a server that takes one message a connection defers nothing") {
  World w;
  std::map<Server::Peer*, int> mails;
  w.server.on_line = [&](Server::Peer& peer, const std::string& line) -> std::string {
    return verb_of(line) == "MAIL" && ++mails[&peer] > 1 ? "421 4.7.0 one is enough\r\n" : "";
  };
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 60; ++i) all.push_back(w.give({"a@y"}));
  w.until([&] { return std::all_of(all.begin(), all.end(), [&](auto l) { return w.done(l); }); });
  for (auto lease : all) CHECK(w.text(lease) == "delivered final_reply nobody");
  CHECK(w.server.messages.size() == 60);
}

TEST_CASE("F12: addresses that failed last come last; those without a route do not count") {
  World w;
  Candidate living = w.hosts.hosts.candidates[0];
  w.hosts.hosts.candidates.clear();
  SECTION("six dead ones before the living") {
    std::vector<std::unique_ptr<Server>> six;
    for (int i = 0; i < 6; ++i) {
      six.push_back(std::make_unique<Server>(w.loop, false));
      six.back()->greeting = "554 no\r\n";
      w.hosts.hosts.candidates.push_back({"h" + std::to_string(i), six.back()->endpoint()});
    }
    w.hosts.hosts.candidates.push_back(living);
    auto one = w.give({"a@y"});
    w.until([&] { return w.done(one); });
    CHECK(w.text(one) == "deferred greeting destination");
    auto two = w.give({"a@y"});
    w.until([&] { return w.done(two); });
    CHECK(w.text(two) == "delivered final_reply nobody");
    CHECK(six[0]->connections == 2);  // the best is always tried
    CHECK(six[1]->connections == 1);
    CHECK(six[5]->connections == 1);
  }
  SECTION("no route") {
    // Nothing is ever connected to the broadcast address: "network is unreachable", at once.
    for (int i = 0; i < 7; ++i)
      w.hosts.hosts.candidates.push_back({"n" + std::to_string(i), {"255.255.255.255", 25, {}}});
    w.hosts.hosts.candidates.push_back(living);
    auto one = w.give({"a@y"});
    w.until([&] { return w.done(one); });
    CHECK(w.text(one) == "delivered final_reply nobody");
  }
}
