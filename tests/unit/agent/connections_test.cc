// What an agent does when it may have no more connections, of its own or by the word of a route.
#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "tests/unit/agent/agent_harness.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;

namespace {

// While it lives, a process that starts an agent seems to have few descriptors.
class FewDescriptors {
 public:
  FewDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    struct rlimit few = before_;
    few.rlim_cur = 210;  // an agent keeps a hundred for other things
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  struct rlimit before_ {};
};

std::uint64_t give_to(World& w, const std::string& domain) {
  ipc::Lease lease = w.lease({"a@" + domain}, "hello\r\n");
  lease.hop.domain = domain;
  w.qmgr.send(lease);
  return lease.lease;
}

std::size_t open_peers(World& w) {
  std::size_t open = 0;
  for (auto& peer : w.server.peers()) open += peer->gone ? 0 : 1;
  return open;
}

}  // namespace

TEST_CASE("a connection nobody uses makes room for one that is needed") {
  std::unique_ptr<World> w;
  {
    FewDescriptors few;
    w = std::make_unique<World>();
  }
  for (int i = 0; i < 150; ++i) {
    std::uint64_t lease = give_to(*w, "d" + std::to_string(i) + ".example");
    w->until([&] { return w->done(lease); });
    CHECK(w->text(lease) == "delivered final_reply nobody");
  }
  CHECK(open_peers(*w) <= 115);
  // The one used last is still there, the one longest idle is not.
  int before = w->server.connections;
  std::uint64_t last = give_to(*w, "d149.example");
  w->until([&] { return w->done(last); });
  CHECK(w->server.connections == before);
  std::uint64_t first = give_to(*w, "d0.example");
  w->until([&] { return w->done(first); });
  CHECK(w->server.connections == before + 1);
}

TEST_CASE("connections that end while they are idle are not asked to make room") {
  std::unique_ptr<World> w;
  {
    FewDescriptors few;
    w = std::make_unique<World>();
  }
  for (int i = 0; i < 110; ++i) {
    std::uint64_t lease = give_to(*w, "d" + std::to_string(i) + ".example");
    w->until([&] { return w->done(lease); });
  }
  // All at once, and in the same turn there is new work for many.
  w->server.hang_up_all();
  std::vector<std::uint64_t> leases;
  for (int i = 0; i < 100; ++i) leases.push_back(give_to(*w, "e" + std::to_string(i) + ".example"));
  for (std::uint64_t lease : leases) {
    w->until([&] { return w->done(lease); });
    CHECK(w->text(lease).substr(0, 8) != "failed");
  }
}

namespace {

// To a destination whose connections are counted.
std::uint64_t give_counted(World& w, const std::function<void(mail::Bounds&)>& more = nullptr) {
  ipc::Lease lease = w.lease({"a@y"}, "hello\r\n");
  lease.bounds.connections = 1;
  if (more) more(lease.bounds);
  w.qmgr.send(lease);
  return lease.lease;
}

void until_done(World& w, const std::vector<std::uint64_t>& leases) {
  w.until(
      [&] { return std::all_of(leases.begin(), leases.end(), [&](auto l) { return w.done(l); }); });
}

}  // namespace

TEST_CASE("kind 16: a connection that is counted is not begun before there is leave") {
  World w;
  w.qmgr.gives_leave = false;
  auto first = give_counted(w);
  auto second = give_counted(w);
  w.until([&] { return w.qmgr.asked.size() == 1; });
  w.wait(std::chrono::milliseconds(30));
  CHECK(w.server.connections == 0);
  CHECK(w.qmgr.asked.size() == 1);  // one is all there can be
  REQUIRE(w.qmgr.asked[0].bounds.size() == 1);
  CHECK(w.qmgr.asked[0].bounds[0].group == "mx:example.org\n");
  CHECK(w.qmgr.asked[0].bounds[0].most == 1);
  w.qmgr.send(ipc::ConnectionGrant{w.qmgr.asked[0].request});
  until_done(w, {first, second});
  CHECK(w.text(first) == "delivered final_reply nobody");
  CHECK(w.server.connections == 1);
  CHECK(w.qmgr.ended.empty());
}

TEST_CASE("kind 16: one connection carries all, and says what it makes use of") {
  World w;
  std::vector<std::uint64_t> leases;
  for (int i = 0; i < 40; ++i) leases.push_back(give_counted(w));
  until_done(w, leases);
  CHECK(w.server.connections == 1);
  CHECK(w.qmgr.asked.size() == 1);
  CHECK(w.qmgr.answers[leases.back()].flight == 3);  // the content of one, the envelope of the next
  // Idle, and others wait: it ends at once, and is gone when the server has ended it, too.
  w.server.closes = false;
  w.qmgr.send(ipc::ConnectionWanted{w.qmgr.asked[0].owner});
  w.until([&] { return std::count(w.server.lines.begin(), w.server.lines.end(), "QUIT") == 1; });
  w.wait(std::chrono::milliseconds(30));
  CHECK(w.qmgr.ended.empty());
  w.server.hang_up_all();
  w.until([&] { return w.qmgr.ended.size() == 1; });
  CHECK(w.qmgr.ended[0] == w.qmgr.asked[0].request);
}

TEST_CASE("kind 16: one that is never idle is given up after its turn") {
  World w;
  std::size_t at_work = 0;
  auto more = [&] {
    while (w.leases - w.server.messages.size() < 4) {
      give_counted(w);
      ++at_work;
    }
    return false;
  };
  w.until([&] { return more() || w.server.messages.size() > 20; });
  w.qmgr.send(ipc::ConnectionWanted{w.qmgr.asked.at(0).owner});
  w.until([&] { return more() || w.qmgr.ended.size() == 1; });
  // What waits asks again, behind the others.
  w.until([&] { return more() || w.qmgr.asked.size() == 2; });
  CHECK(w.qmgr.ended[0] == w.qmgr.asked[0].request);
  w.until([&] { return w.server.messages.size() == at_work; });
  CHECK(w.server.connections == 2);
}

TEST_CASE("kind 16: the place of a source that has one is not waited for while another is free") {
  World w;
  w.qmgr.gives_leave = false;
  auto give = [&] {
    ipc::Lease lease = w.lease({"a@y"}, "hello\r\n");
    lease.bounds.connections = 1;
    lease.sources = {"127.0.0.5", "127.0.0.6"};
    w.qmgr.send(lease);
    return lease.lease;
  };
  for (int burst = 0; burst < 5; ++burst) {
    std::vector<std::uint64_t> leases;
    for (int i = 0; i < 6; ++i) leases.push_back(give());
    if (burst == 0) {
      w.until([&] { return w.qmgr.asked.size() == 1; });
      w.qmgr.send(ipc::ConnectionGrant{w.qmgr.asked[0].request});
    }
    until_done(w, leases);
  }
  REQUIRE(w.qmgr.asked.size() > 2);  // each time the second was not needed in the end
  for (std::size_t i = 1; i < w.qmgr.asked.size(); ++i)
    CHECK(w.qmgr.asked[i].bounds.at(0).group != w.qmgr.asked[0].bounds.at(0).group);
  CHECK(w.server.connections == 1);
}

TEST_CASE("kind 16: in_flight bounds what is on its way over one connection") {
  for (std::uint32_t most : {0U, 1U}) {
    World w;
    auto give = [&] { return give_counted(w, [&](mail::Bounds& b) { b.in_flight = most; }); };
    auto first = give();
    until_done(w, {first, give(), give()});
    CHECK(w.qmgr.answers[first].flight == (most == 1 ? 1 : 3));
    // From here on the server says nothing.
    bool silent = false;
    w.server.on_final = [&](Server::Peer&, std::size_t) {
      silent = true;
      return "~";
    };
    w.server.on_line = [&](Server::Peer&, const std::string&) { return silent ? "~" : ""; };
    w.server.lines.clear();
    for (int i = 0; i < 3; ++i) give();
    w.until([&] { return w.server.messages.size() == 4; });
    w.wait(std::chrono::milliseconds(30));
    auto mails = std::count_if(w.server.lines.begin(), w.server.lines.end(),
                               [](const std::string& line) { return line.starts_with("MAIL"); });
    CHECK(mails == (most == 1 ? 1 : 2));
    CHECK(w.server.connections == 1);
  }
}

TEST_CASE("kind 16: who lost qmgr waits for no leave, and tells the next one what is open") {
  World w;
  until_done(w, {give_counted(w)});
  w.qmgr.gives_leave = false;
  ipc::Lease other = w.lease({"a@z"}, "hello\r\n");
  other.hop.domain = "z.example";
  other.bounds.connections = 1;
  w.qmgr.send(other);
  w.until([&] { return w.qmgr.asked.size() == 2; });
  w.qmgr.die();
  w.wait(std::chrono::milliseconds(20));
  w.qmgr.listen();
  w.until([&] { return w.qmgr.up && w.qmgr.asked.size() == 3; });
  CHECK(w.qmgr.asked[2].held);
  CHECK(w.qmgr.asked[2].request == w.qmgr.asked[0].request);
  CHECK(w.server.connections == 1);
  // Leave that comes for one that does not exist is no leave.
  w.qmgr.send(ipc::ConnectionGrant{w.qmgr.asked[1].request});
  w.wait(std::chrono::milliseconds(20));
  CHECK(w.server.connections == 1);
}

TEST_CASE("kind 16: domains with the same hosts count together, each source address by itself") {
  World w;
  w.hosts.hosts.mx_set = "mx1.example,mx2.example";
  w.qmgr.gives_leave = false;
  auto group_of = [&](const std::string& domain, std::vector<std::string> sources) {
    ipc::Lease lease = w.lease({"a@" + domain}, "hello\r\n");
    lease.hop.domain = domain;
    lease.bounds.connections = 2;
    lease.bounds.route_connections = 9;
    lease.bounds.route = 4;
    lease.sources = std::move(sources);
    std::size_t before = w.qmgr.asked.size();
    w.qmgr.send(lease);
    w.until([&] { return w.qmgr.asked.size() == before + 1; });
    const auto& bounds = w.qmgr.asked.back().bounds;
    REQUIRE(bounds.size() == 2);
    CHECK(bounds[1].group == "route 4");
    CHECK(bounds[1].most == 9);
    return bounds[0].group;
  };
  CHECK(group_of("one.example", {}) == "mx1.example,mx2.example\n");
  CHECK(group_of("two.example", {}) == "mx1.example,mx2.example\n");
  CHECK(group_of("two.example", {"127.0.0.5"}) == "mx1.example,mx2.example\n127.0.0.5");
}
