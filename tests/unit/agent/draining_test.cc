// How a delivery client ends: it says so, and reads what was lent to it before qmgr knew.
#include <catch2/catch.hpp>

#include "tests/unit/agent/agent_harness.h"

using namespace postwain;
using namespace postwain::agent;
using namespace postwain::agent::test;
using namespace std::chrono_literals;

TEST_CASE("an idle client that drains waits for the word that nothing more is lent") {
  World w;
  w.qmgr.answers_draining = false;
  w.agent->drain();
  w.until([&] { return w.qmgr.drainings == 1; });
  w.wait(100ms);
  CHECK_FALSE(w.drained);
  auto crossing = w.give({"a@y"});
  w.until([&] { return w.done(crossing); });
  CHECK(w.text(crossing) == "deferred local nobody");
  CHECK_FALSE(w.drained);
  w.qmgr.send(ipc::NothingMore{});
  w.until([&] { return w.drained; });
  CHECK(w.server.connections == 0);
}

TEST_CASE("a client that drains without qmgr waits for nobody") {
  World w;
  w.qmgr.answers_draining = false;
  SECTION("it was gone before") {
    w.qmgr.die();
    w.wait(5ms);
    w.agent->drain();
  }
  SECTION("it goes without an answer") {
    w.agent->drain();
    w.until([&] { return w.qmgr.drainings == 1; });
    w.qmgr.die();
  }
  w.until([&] { return w.drained; });
}

TEST_CASE("a qmgr that is stuck keeps no client from its end") {
  World w(smtp::kSmtp, {}, kSignerWaitMax, 100ms);
  w.qmgr.answers_draining = false;
  MonoTime began = mono_now();
  w.agent->drain();
  w.until([&] { return w.drained; });
  CHECK(mono_now() - began >= 100ms);
}

TEST_CASE("a client that drains while it says hello reads what comes behind the welcome") {
  World w;
  w.qmgr.die();
  w.wait(5ms);
  w.qmgr.welcomes = false;
  w.qmgr.listen();
  w.until([&] { return w.qmgr.hellos == 2; });
  w.agent->drain();
  w.wait(100ms);
  CHECK_FALSE(w.drained);
  w.qmgr.answers_draining = false;
  w.qmgr.send(ipc::Welcome{});
  auto lease = w.give({"a@y"});
  w.until([&] { return w.done(lease) && w.qmgr.drainings == 1; });
  CHECK(w.text(lease) == "deferred local nobody");
  w.qmgr.send(ipc::NothingMore{});
  w.until([&] { return w.drained; });
}

TEST_CASE("a client that drains tells the next qmgr, too") {
  World w;
  w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
  w.give({"a@y"});
  w.until([&] { return !w.server.messages.empty(); });
  w.agent->drain();
  w.until([&] { return w.qmgr.drainings == 1; });
  w.qmgr.die();
  w.wait(5ms);
  w.qmgr.answers_draining = false;
  w.qmgr.listen();
  w.until([&] { return w.qmgr.drainings == 2 && w.qmgr.late.size() == 1; });
  auto crossing = w.give({"b@y"});
  w.until([&] { return w.done(crossing); });
  CHECK(w.text(crossing) == "deferred local nobody");
  w.server.say(*w.server.peers()[0], "250 done\r\n");
  w.until([&] { return w.qmgr.late.size() == 2; });
  w.wait(50ms);
  CHECK_FALSE(w.drained);
  w.qmgr.send(ipc::NothingMore{});
  w.until([&] { return w.drained; });
}

TEST_CASE("an answer that nobody asked for ends the connection") {
  World w;
  SECTION("at work") {}
  SECTION("twice") {
    w.server.on_final = [](Server::Peer&, std::size_t) { return "~"; };
    w.give({"a@y"});
    w.until([&] { return !w.server.messages.empty(); });
    w.agent->drain();
    w.until([&] { return w.qmgr.drainings == 1; });
  }
  w.qmgr.send(ipc::NothingMore{});
  w.until([&] { return w.qmgr.hellos == 2; });
}
