// Connections to a milter that outlive sessions, and those that are made ahead of them.
#include "tests/unit/filter/filter_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

config::Filter pooled(std::uint32_t spare, bool reuse) {
  config::Filter out = all_granted();
  out.spare_connections = spare;
  out.reuse = reuse;
  return out;
}

void whole_session(Rig& rig, std::uint64_t number) {
  rig.open(number);
  CHECK(rig.asked(FilterStage::connect) == "accept");
  CHECK(rig.asked(FilterStage::helo, "client.example") == "accept");
  CHECK(rig.message() == "accept");
  rig.smtpd->send(ipc::FilterQuit{number});
}

std::size_t count(const std::string& commands, char one) {
  return static_cast<std::size_t>(std::count(commands.begin(), commands.end(), one));
}

}  // namespace

TEST_CASE("each session has a connection of its own, as long as nobody says otherwise") {
  Rig rig;
  PlayedFilter& filter = rig.play("a");
  whole_session(rig, 1);
  whole_session(rig, 2);
  CHECK(rig.until([&] { return count(filter.commands, 'Q') == 2; }));
  CHECK(filter.connections == 2);
  CHECK(count(filter.commands, 'K') == 0);
}

TEST_CASE("with reuse a session goes on on the connection of the one before") {
  Rig rig({pooled(0, true)});
  PlayedFilter& filter = rig.play("a");
  whole_session(rig, 1);
  REQUIRE(rig.until([&] { return count(filter.commands, 'K') == 1; }));
  whole_session(rig, 2);
  CHECK(rig.until([&] { return count(filter.commands, 'K') == 2; }));
  CHECK(filter.connections == 1);
  CHECK(count(filter.commands, 'O') == 1);
  CHECK(count(filter.commands, 'C') == 2);
  CHECK(count(filter.commands, 'H') == 2);
  CHECK(count(filter.commands, 'Q') == 0);
}

TEST_CASE("macros of one session are not told to the next one on its connection") {
  Rig rig({pooled(0, true)});
  PlayedFilter& filter = rig.play("a");
  rig.open(1);
  rig.ask(FilterStage::connect, {}, {{"j", "mx.example"}, {"{client_ptr}", "first.example"}});
  rig.message();
  rig.smtpd->send(ipc::FilterQuit{1});
  REQUIRE(rig.until([&] { return count(filter.commands, 'K') == 1; }));
  std::size_t before = filter.data_of('D').size();
  whole_session(rig, 2);
  std::vector<std::string> macros = filter.data_of('D');
  for (std::size_t i = before; i < macros.size(); ++i)
    CHECK(macros[i].find("first.example") == std::string::npos);
  CHECK(filter.connections == 1);
}

TEST_CASE("a connection that still owes an answer serves no other session") {
  Rig rig({pooled(0, true)});
  PlayedFilter& filter = rig.play("a", [](PlayedFilter::Peer& peer, char command, auto& data) {
    if (command != 'E') PlayedFilter::agree(peer, command, data);
  });
  rig.greet();
  rig.envelope();
  rig.content();
  REQUIRE(rig.until([&] { return count(filter.commands, 'E') == 1; }));
  rig.smtpd->send(ipc::FilterQuit{1});
  REQUIRE(rig.until([&] { return count(filter.commands, 'Q') == 1; }));
  CHECK(count(filter.commands, 'K') == 0);
  filter.script = PlayedFilter::agree;
  whole_session(rig, 2);
  CHECK(filter.connections == 2);
}

TEST_CASE("spare connections are negotiated before a session needs them") {
  Rig rig({pooled(2, false)});
  PlayedFilter& filter = rig.play("a");
  rig.settle();
  CHECK(filter.connections == 0);  // nobody knows yet whether it is there
  whole_session(rig, 1);
  REQUIRE(rig.until([&] { return count(filter.commands, 'O') == 3; }));
  rig.settle();
  std::size_t negotiated = filter.commands.size();
  rig.open(2);
  CHECK(rig.asked(FilterStage::connect) == "accept");
  // On a connection that was there; then another one takes its place.
  CHECK(filter.commands[negotiated] == 'C');
  CHECK(rig.until([&] { return count(filter.commands, 'O') == 4; }));
  CHECK(filter.connections == 4);
}

TEST_CASE("a connection that nobody needs leaves after a minute") {
  Rig rig({pooled(2, true)});
  PlayedFilter& filter = rig.play("a");
  whole_session(rig, 1);
  REQUIRE(rig.until(
      [&] { return count(filter.commands, 'K') == 1 && count(filter.commands, 'O') == 3; }));
  rig.settle();
  rig.clock.pass(59s);
  rig.settle();
  CHECK(count(filter.commands, 'Q') == 0);
  rig.clock.pass(2s);
  CHECK(rig.until([&] { return count(filter.commands, 'Q') == 3; }));
}

TEST_CASE("a kept connection that the filter has ended costs nobody a message") {
  Rig rig({pooled(0, true)});
  PlayedFilter& filter = rig.play("a");
  whole_session(rig, 1);
  REQUIRE(rig.until([&] { return count(filter.commands, 'K') == 1; }));
  SECTION("seen before the next session") {
    filter.peers[0]->close();
    rig.settle();
    rig.clock.pass(1s);
    whole_session(rig, 2);
  }
  SECTION("when the next session is told") {
    PlayedFilter::Peer* first = filter.peers[0].get();
    filter.script = [first](PlayedFilter::Peer& peer, char command, const std::string& data) {
      if (&peer == first) return peer.close();
      PlayedFilter::agree(peer, command, data);
    };
    whole_session(rig, 2);
  }
  CHECK(filter.connections == 2);
}

TEST_CASE("a spare connection that is refused or silent harms no session") {
  Rig rig({pooled(1, false)});
  PlayedFilter& filter = rig.play("a");
  auto serve_first = [&filter](PlayedFilter::Peer& peer, char command, const std::string& data) {
    if (&peer == filter.peers[0].get()) return PlayedFilter::agree(peer, command, data);
    if (filter.peers.size() % 2 == 0) peer.close();
  };
  filter.script = serve_first;
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(rig.message() == "accept");
  REQUIRE(rig.until([&] { return filter.connections == 2; }));
  rig.settle();
  filter.script = PlayedFilter::agree;
  rig.smtpd->send(ipc::FilterQuit{1});
  whole_session(rig, 2);
}
