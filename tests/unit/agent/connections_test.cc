// What an agent does when it may have no more connections.
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
