#include <catch2/catch.hpp>

#include <algorithm>

#include "common/config/config.h"
#include "tests/unit/agent/agent_harness.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;

TEST_CASE("a message is delivered, and its outcome tells where") {
  World w;
  auto lease = w.give({"a@y"}, ".hello\r\n");
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == "delivered final_reply nobody");
  CHECK(w.outcome(lease).remote_host == "server.example");
  CHECK(w.outcome(lease).remote_address == w.server.endpoint().text());
  CHECK(w.outcome(lease).reply.one_line() == "250 2.0.0 done");
  CHECK(w.server.messages == std::vector<std::string>{".hello\r\n"});
}

TEST_CASE("a kept connection serves the next message") {
  World w;
  for (int i = 0; i < 5; ++i) {
    auto lease = w.give({"a@y"});
    w.until([&] { return w.done(lease); });
  }
  CHECK(w.server.connections == 1);
  CHECK(w.hosts.asked == 1);
}

TEST_CASE("a burst shares few connections") {
  World w;
  std::vector<std::uint64_t> leases;
  for (int i = 0; i < 60; ++i) leases.push_back(w.give({"a@y"}));
  w.until(
      [&] { return std::all_of(leases.begin(), leases.end(), [&](auto l) { return w.done(l); }); });
  for (auto l : leases) CHECK(w.text(l) == "delivered final_reply nobody");
  CHECK(w.server.messages.size() == 60);
  CHECK(w.server.connections <= 20);
}

TEST_CASE("a slow server gets more connections, never more than there are leases") {
  World w;
  w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
  for (int i = 0; i < 12; ++i) w.give({"a@y"});
  w.until([&] { return w.server.messages.size() >= 12 || w.server.connections >= 6; });
  w.wait(std::chrono::milliseconds(50));
  CHECK(w.server.connections > static_cast<int>(kFreeConnections));
  CHECK(w.server.connections <= 12);
}

TEST_CASE("after a hundred messages a connection ends") {
  World w;
  for (std::size_t i = 0; i < kMessagesPerConnectionMax + 1; ++i) {
    auto lease = w.give({"a@y"});
    w.until([&] { return w.done(lease); });
  }
  CHECK(w.server.connections == 2);
  CHECK(std::count(w.server.lines.begin(), w.server.lines.end(), "QUIT") == 1);
}

TEST_CASE("the next address is tried when one fails before MAIL") {
  World w;
  Server second(w.loop, false);
  SECTION("nobody listens") {
    int fd = net::bind_listener({"127.0.0.1", 0, {}}).take();
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(fd);
    w.hosts.hosts.candidates = {{"dead", {"127.0.0.1", ntohs(address.sin_port), {}}},
                                {"second", second.endpoint()}};
  }
  SECTION("greeting refused") {
    w.server.greeting = "554 no\r\n";
    w.hosts.hosts.candidates.push_back({"second", second.endpoint()});
  }
  SECTION("hang-up at the hello") {
    w.server.on_line = [](Server::Peer&, const std::string&) { return "-"; };
    w.hosts.hosts.candidates.push_back({"second", second.endpoint()});
  }
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == "delivered final_reply nobody");
  CHECK(w.outcome(lease).remote_host == "second");
}

TEST_CASE("when no address works, everything that waits is deferred by the last failure") {
  World w;
  w.server.greeting = "554 no\r\n";
  for (int i = 0; i < 9; ++i) w.hosts.hosts.candidates.push_back(w.hosts.hosts.candidates[0]);
  auto one = w.give({"a@y"});
  auto two = w.give({"a@y", "b@y"});
  w.until([&] { return w.done(one) && w.done(two); });
  CHECK(w.text(one) == "deferred greeting destination");
  CHECK(w.text(two, 11) == "deferred greeting destination");
  CHECK(w.outcome(one).reply.code == 554);
  CHECK(w.server.connections == static_cast<int>(kAddressesTriedMax));
}

TEST_CASE("what the DNS refuses is refused") {
  World w;
  w.hosts.hosts.candidates.clear();
  w.hosts.hosts.refusal = local_outcome(mail::Disposition::failed, mail::Stage::dns,
                                        mail::Blame::dns, {5, 1, 2}, "no such domain");
  auto lease = w.give({"a@y", "b@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease, 10) == "failed dns dns");
  CHECK(w.text(lease, 11) == "failed dns dns");
}

TEST_CASE("LMTP: k replies count, the rest is in doubt; they arrive one by one") {
  World w(smtp::kLmtp);
  w.server.on_final = [&](Server::Peer& peer, std::size_t i) -> std::string {
    if (i == 1) return "452 4.2.2 full\r\n";
    if (i == 2) {
      // The first two have reached the client before the connection breaks.
      w.server.say(peer, "");
      return "~";
    }
    return "";
  };
  auto lease = w.give({"a@y", "b@y", "c@y"});
  w.until([&] { return w.qmgr.answers[lease].outcomes.size() == 2; });
  CHECK_FALSE(w.done(lease));
  w.server.hang_up_all();
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease, 10) == "delivered final_reply nobody");
  CHECK(w.text(lease, 11) == "deferred final_reply recipient");
  CHECK(w.text(lease, 12) == "deferred final_reply destination in_doubt");
}

TEST_CASE("a kept connection that the server has ended is no trouble") {
  World w;
  auto one = w.give({"a@y"});
  w.until([&] { return w.done(one); });
  SECTION("while idle") {
    w.server.hang_up_all();
  }
  SECTION("at the next MAIL") {
    w.server.on_line = [&](Server::Peer& peer, const std::string& line) -> std::string {
      bool old = &peer == w.server.peers()[0].get();
      return line.substr(0, 4) == "MAIL" && old ? "-" : "";
    };
  }
  SECTION("with 421 at the next MAIL") {
    w.server.on_line = [&](Server::Peer& peer, const std::string& line) -> std::string {
      bool old = &peer == w.server.peers()[0].get();
      return line.substr(0, 4) == "MAIL" && old ? "421 enough\r\n" : "";
    };
  }
  auto two = w.give({"a@y"});
  w.until([&] { return w.done(two); });
  CHECK(w.text(two) == "delivered final_reply nobody");
  CHECK(w.server.connections == 2);
}

TEST_CASE("a fresh connection that ends at MAIL is the destination's trouble") {
  World w;
  w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
    return line.substr(0, 4) == "MAIL" ? "-" : "";
  };
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == "deferred mail destination");
  CHECK(w.server.connections == 1);
}

TEST_CASE("time-outs") {
  World w;
  w.config.delivery.timeouts.command = std::chrono::milliseconds(30);
  w.config.delivery.timeouts.final = std::chrono::milliseconds(60);
  SECTION("at MAIL") {
    w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
      return line.substr(0, 4) == "EHLO" ? "" : "~";
    };
    auto lease = w.give({"a@y"});
    w.until([&] { return w.done(lease); });
    CHECK(w.text(lease) == "deferred mail destination");
  }
  SECTION("at the end of data") {
    w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
    auto lease = w.give({"a@y"});
    w.until([&] { return w.done(lease); });
    CHECK(w.text(lease) == "deferred final_reply destination in_doubt");
  }
}

TEST_CASE("TLS may: a broken handshake is followed by one try in clear") {
  World w;
  w.server.extensions = "250-there\r\n250 STARTTLS\r\n";
  w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
    if (line == "STARTTLS") return "220 go\r\n";
    if (line.size() > 0 && line[0] < 32) return "-";
    return "";
  };
  // The client hello is no line; whatever comes next breaks the handshake.
  w.config.delivery.timeouts.command = std::chrono::milliseconds(50);
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease); });
  CHECK(w.text(lease) == "delivered final_reply nobody");
  CHECK(w.server.connections == 2);

  ipc::Lease must = w.lease({"a@y"}, "x\r\n");
  must.tls = mail::TlsLevel::encrypt;
  w.qmgr.send(must);
  w.until([&] { return w.done(must.lease); });
  CHECK(w.text(must.lease) == "deferred tls destination");
}

TEST_CASE("a host whose records cannot be had is not spoken to") {
  World w;
  NextHosts none;
  none.refusal = mail::local_outcome(mail::Disposition::deferred, mail::Stage::tls,
                                     mail::Blame::destination, {4, 7, 5}, "DANE: no");
  w.hosts.hosts = none;
  ipc::Lease lease = w.lease({"a@y"}, "x\r\n");
  lease.tls = mail::TlsLevel::dane;
  w.qmgr.send(lease);
  w.until([&] { return w.done(lease.lease); });
  CHECK(w.outcome(lease.lease).reply.enhanced.text() == "4.7.5");
  CHECK(w.server.connections == 0);
}

TEST_CASE("content that is not in the lease is asked for once, and read from its file") {
  World w;
  for (int i = 0; i < 9000; ++i)
    w.qmgr.content += ". line " + std::to_string(i) + std::string(40, 'x') + "\r\n";
  ipc::Lease lease = w.lease({"a@y"}, {});
  lease.inlined = false;
  lease.size = w.qmgr.content.size();
  using Serve = Qmgr::Serve;
  SECTION("whole") {
    w.qmgr.serve = GENERATE(Serve::whole, Serve::file);
    w.qmgr.before_file = GENERATE(0, 1, 700, 65536, 100000);
    w.qmgr.send(lease);
    w.until([&] { return w.done(lease.lease); });
    CHECK(w.text(lease.lease) == "delivered final_reply nobody");
    CHECK(w.server.messages[0] == w.qmgr.content);
    CHECK(w.qmgr.requests.size() == 1);
  }
  SECTION("missing, or cut off: no end of data") {
    w.qmgr.serve = GENERATE(Serve::missing, Serve::short_file);
    w.qmgr.send(lease);
    w.until([&] { return w.done(lease.lease); });
    CHECK(w.text(lease.lease) == "deferred local local");
    CHECK(w.server.messages.empty());
    // What qmgr has not found out itself it hears.
    bool told = std::any_of(w.qmgr.requests.begin(), w.qmgr.requests.end(),
                            [](const ipc::ContentRequest& r) { return r.unreadable; });
    CHECK(told == (w.qmgr.serve == Serve::short_file));
  }
}

TEST_CASE("files of several messages at once reach the right ones") {
  World w;
  w.qmgr.content = std::string(70000, 'x') + "\r\n";
  std::vector<std::uint64_t> leases;
  for (int i = 0; i < 20; ++i) {
    ipc::Lease lease = w.lease({"a@y"}, {});
    lease.inlined = false;
    lease.size = w.qmgr.content.size();
    leases.push_back(lease.lease);
    w.qmgr.send(lease);
  }
  for (std::uint64_t lease : leases) {
    w.until([&] { return w.done(lease); });
    CHECK(w.text(lease) == "delivered final_reply nobody");
  }
  CHECK(w.server.messages == std::vector<std::string>(20, w.qmgr.content));
}

TEST_CASE("qmgr is lost") {
  World w;
  SECTION("before the end of data: broken off, nothing reported") {
    w.server.on_line = [](Server::Peer&, const std::string& line) -> std::string {
      return line == "DATA" ? "~" : "";
    };
    auto lease = w.give({"a@y"});
    w.until([&] { return !w.server.lines.empty() && w.server.lines.back() == "DATA"; });
    w.qmgr.die();
    w.until([&] { return w.server.peers()[0]->gone; });
    CHECK(w.server.messages.empty());
    w.qmgr.listen();
    w.until([&] { return w.qmgr.up; });
    w.wait(std::chrono::milliseconds(20));
    CHECK(w.qmgr.late.empty());
    CHECK(w.qmgr.answers[lease].outcomes.empty());
  }
  SECTION("after it: awaited, told as running, then reported") {
    w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
    w.give({"a@y", "b@y"});
    w.until([&] { return !w.server.messages.empty(); });
    w.qmgr.die();
    w.wait(std::chrono::milliseconds(5));
    w.qmgr.listen();
    w.until([&] { return w.qmgr.late.size() == 1; });
    CHECK(w.qmgr.late[0].outcomes.empty());
    CHECK(w.qmgr.late[0].still_running == std::vector<std::uint32_t>{10, 11});
    w.server.say(*w.server.peers()[0], "250 done\r\n");
    w.until([&] { return w.qmgr.late.size() == 2; });
    CHECK(w.qmgr.late[1].outcomes.size() == 2);
    CHECK(w.qmgr.late[1].still_running.empty());
  }
  SECTION("ended while it was away") {
    w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
    w.give({"a@y"});
    w.until([&] { return !w.server.messages.empty(); });
    w.qmgr.die();
    w.wait(std::chrono::milliseconds(5));
    w.server.say(*w.server.peers()[0], "250 done\r\n");
    w.wait(std::chrono::milliseconds(5));
    w.qmgr.listen();
    w.until([&] { return w.qmgr.late.size() == 1; });
    CHECK(w.qmgr.late[0].outcomes.size() == 1);
    CHECK(w.qmgr.late[0].still_running.empty());
  }
  SECTION("directly after a report, which may not have been committed") {
    auto lease = w.give({"a@y"});
    w.until([&] { return w.done(lease); });
    w.qmgr.die();
    w.wait(std::chrono::milliseconds(5));
    w.qmgr.listen();
    w.until([&] { return w.qmgr.late.size() == 1; });
    CHECK(w.qmgr.late[0].id.value == 1001);
    CHECK(w.qmgr.late[0].outcomes.size() == 1);
  }
  // Whatever happened, the next lease works.
  w.server.on_line = nullptr;
  w.server.on_final = nullptr;
  auto next = w.give({"a@y"});
  w.until([&] { return w.done(next); });
  CHECK(w.text(next) == "delivered final_reply nobody");
}

TEST_CASE("drain: what runs is finished, what waits is given back") {
  World w;
  w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
  auto running = w.give({"a@y"});
  w.until([&] { return !w.server.messages.empty(); });
  w.agent->drain();
  auto waiting = w.give({"a@y"});
  w.until([&] { return w.done(waiting); });
  CHECK(w.text(waiting) == "deferred local nobody");
  CHECK_FALSE(w.drained);
  w.server.say(*w.server.peers()[0], "250 done\r\n");
  w.until([&] { return w.drained; });
  CHECK(w.text(running) == "delivered final_reply nobody");
}

TEST_CASE("an agent may end with everything under way") {
  World w;
  w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
  for (int i = 0; i < 10; ++i) w.give({"a@y"});
  w.until([&] { return !w.server.messages.empty(); });
  w.agent.reset();
  w.wait(std::chrono::milliseconds(5));
}
