// What becomes of mail when filters fail, hang, talk nonsense or are slow; and links that do.
#include "tests/unit/filter/filter_rig.h"

#include <algorithm>
#include <filesystem>
#include <random>

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

using Peer = PlayedFilter::Peer;

constexpr const char* kDeferred =
    "defer 451 4.7.1 mail cannot be checked at the moment, try again later";
constexpr const char* kRefused = "refuse 554 5.7.1 mail cannot be checked";

config::Filter failing_to(config::FilterFailure on_failure) {
  config::Filter out = all_granted();
  out.on_failure = on_failure;
  return out;
}

// What a message ends with, wherever that is.
std::string end_of(const std::string& said) {
  return said.starts_with("at ") ? said.substr(said.find(' ', 3) + 1) : said;
}

// A message whose filters say nothing while time passes.
struct Waiting {
  Waiting(Rig& its_rig, const PlayedFilter& filter) : rig(its_rig) {
    rig.greet();
    rig.ask(FilterStage::mail, "<a@example.org>");
    rig.ask(FilterStage::rcpt, "<b@example.net>");
    rig.ask(FilterStage::data);
    rig.content();
    REQUIRE(rig.until([&] { return filter.commands.ends_with("E"); }));
  }
  bool over() {
    rig.settle();
    return rig.results.count(rig.end_of_message) > 0;
  }
  Rig& rig;
};

int open_descriptors() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                        std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("a filter that is not there: each message as the operator says") {
  auto [on_failure, expected] = GENERATE(table<config::FilterFailure, std::string>({
      {config::FilterFailure::accept, "accept"},
      {config::FilterFailure::defer, std::string("at MAIL ") + kDeferred},
      {config::FilterFailure::refuse, std::string("at MAIL ") + kRefused},
      {config::FilterFailure::hold, "accept held for a: it could not be asked"},
  }));
  Rig rig({failing_to(on_failure)});
  rig.greet();
  CHECK(rig.message() == expected);
  CHECK(rig.message() == expected);
  PlayedFilter& filter = rig.play("a");
  CHECK(rig.message() == "accept");
  CHECK(filter.commands == "OCHMRTLLNBE");
}

TEST_CASE("a failure leaves the other filters their say") {
  Rig rig({failing_to(config::FilterFailure::accept), all_granted()});
  rig.play("a", [](Peer& peer, char command, const std::string& data) {
    if (command == 'B') return peer.close();
    PlayedFilter::agree(peer, command, data);
  });
  PlayedFilter& second = rig.play("b");
  rig.greet();
  std::string body(200'000, 'x');
  CHECK(rig.message(body) == "accept");
  CHECK(second.body() == body);
  REQUIRE(rig.result().judgements.size() == 2);
  CHECK(rig.result().judgements[0].failure == ipc::FilterFailure::closed);
  CHECK(rig.result().judgements[1].failure == ipc::FilterFailure::none);
}

TEST_CASE("R4: a filter that ends the connection, or talks nonsense, at each packet") {
  const std::vector<std::string> kNonsense = {
      "",                                            // it closes
      std::string("\0\0\0\0", 4),                    // an empty packet
      std::string("\xff\xff\xff\xff", 4) + "xxxxx",  // one too long
      std::string("\0\0\0\1", 4) + "?",              // no answer at all
      std::string("\0\0\0\2", 4) + "yx",             // a reply that is none
      std::string("\0\0\0\2", 4) + "hx",             // an edit that is none, or too early
      std::string("\0\0\0\1", 4) + "O",              // a negotiation, too short and too late
      "HTTP/1.1 400 Bad Request\r\n\r\n",
  };
  constexpr config::FilterFailure kWays[] = {
      config::FilterFailure::accept, config::FilterFailure::defer, config::FilterFailure::refuse,
      config::FilterFailure::hold};
  const std::string kExpected[] = {"accept", kDeferred, kRefused,
                                   "accept held for a: it could not be asked"};
  int before = open_descriptors();
  for (std::size_t way = 0; way < 4; ++way)
    for (char where : std::string("OCHMRTLNBE"))
      for (const std::string& nonsense : kNonsense) {
        CAPTURE(way, where, nonsense);
        Rig rig({failing_to(kWays[way]), all_granted()});
        bool fails = true;
        PlayedFilter& filter =
            rig.play("a", [&](Peer& peer, char command, const std::string& data) {
              if (command != where || !fails) return PlayedFilter::agree(peer, command, data);
              if (nonsense.empty()) return peer.close();
              peer.write(nonsense);
            });
        PlayedFilter& second = rig.play("b");
        rig.greet();
        CHECK(end_of(rig.message()) == kExpected[way]);
        fails = false;
        CHECK(rig.message() == "accept");
        CHECK(second.commands.ends_with("MRTLLNBE"));
        CHECK(filter.connections >= 2);
        rig.smtpd->send(ipc::FilterQuit{1});
        CHECK(rig.until([&] {
          return std::all_of(filter.peers.begin(), filter.peers.end(),
                             [](const auto& peer) { return peer->gone; });
        }));
      }
  CHECK(open_descriptors() <= before + 1);
}

TEST_CASE("a filter that does not answer is late, wherever it stops") {
  for (char where : std::string("OCHMRTLNE")) {
    CAPTURE(where);
    Rig rig;
    PlayedFilter& filter = rig.play("a", [&](Peer& peer, char command, const std::string& data) {
      if (command != where) PlayedFilter::agree(peer, command, data);
    });
    net::Timer time(rig.loop);
    time.repeat(5ms, [&] { rig.clock.pass(5s); });
    rig.greet();
    CHECK(end_of(rig.message()) == kDeferred);
    filter.script = PlayedFilter::agree;
    CHECK(rig.message() == "accept");
  }
}

TEST_CASE("a filter that reads nothing is late, too") {
  Rig rig;
  rig.play("a", [](Peer& peer, char command, const std::string& data) {
    if (command == 'N') return peer.stream.pause();
    PlayedFilter::agree(peer, command, data);
  });
  rig.greet();
  net::Timer time(rig.loop);
  time.repeat(5ms, [&] { rig.clock.pass(5s); });
  CHECK(rig.message(std::string(3'000'000, 'x')) == kDeferred);
}

TEST_CASE("progress begins one wait anew, and never that for the whole message") {
  Rig rig;
  PlayedFilter& filter = rig.play("a", [](Peer& peer, char command, const std::string& data) {
    if (command != 'E') PlayedFilter::agree(peer, command, data);
  });
  Waiting waiting(rig, filter);
  SECTION("one that says nothing") {
    rig.clock.pass(29s);
    CHECK_FALSE(waiting.over());
    rig.clock.pass(1s);
    CHECK(waiting.over());
  }
  SECTION("one that says that it is at work") {
    for (int i = 0; i < 14; ++i) {
      rig.clock.pass(20s);
      CHECK_FALSE(waiting.over());
      filter.peers[0]->say('p');
      rig.settle();
    }
    rig.clock.pass(19s);
    CHECK_FALSE(waiting.over());
    rig.clock.pass(1s);
    CHECK(waiting.over());
    CHECK(rig.result().judgements[0].failure == ipc::FilterFailure::late);
    CHECK(rig.result().judgements[0].milliseconds == 300'000);
    return;
  }
  CHECK(rig.result().verdict == FilterVerdict::defer);
}

TEST_CASE("the time that a client takes is not the filter's") {
  Rig rig;
  rig.play("a");
  rig.greet();
  rig.envelope();
  rig.smtpd->send(ipc::FilterHeader{1, 0, "Subject: x\r\n"});
  rig.tell(FilterStage::end_of_header, {}, false);
  for (int i = 0; i < 20; ++i) {
    rig.smtpd->send(ipc::FilterBody{1, "line\r\n"});
    rig.settle(5ms);
    rig.clock.pass(1min);
  }
  rig.end_of_message = rig.tell(FilterStage::end_of_message);
  CHECK(rig.result().verdict == FilterVerdict::keep_going);
}

TEST_CASE("a slow filter slows its client, and nothing piles up") {
  Rig rig({all_granted(), all_granted()});
  bool reads = true;
  PlayedFilter& slow = rig.play("a", [&](Peer& peer, char command, const std::string& data) {
    if (command == 'N' && !reads) peer.stream.pause();
    PlayedFilter::agree(peer, command, data);
  });
  PlayedFilter& second = rig.play("b");
  reads = false;
  rig.greet();
  rig.envelope();
  rig.smtpd->send(ipc::FilterHeader{1, 0, "Subject: x\r\n"});
  rig.tell(FilterStage::end_of_header, {}, false);
  std::string piece(ipc::kFilterPieceMax, 'x');
  std::size_t sent = 0;
  auto send_what_may = [&] {
    while (rig.may_send > 0 && sent < 80 * piece.size()) {
      std::size_t now = std::min({rig.may_send, piece.size(), 80 * piece.size() - sent});
      rig.smtpd->send(ipc::FilterBody{1, std::string_view(piece).substr(0, now)});
      rig.may_send -= now;
      sent += now;
    }
    return sent == 80 * piece.size();
  };
  for (int i = 0; i < 50; ++i) {
    send_what_may();
    rig.settle(2ms);
  }
  CHECK(sent < 20 * piece.size());
  slow.peers[0]->stream.resume();
  REQUIRE(rig.until(send_what_may));
  rig.end_of_message = rig.tell(FilterStage::end_of_message);
  CHECK(rig.result().verdict == FilterVerdict::keep_going);
  CHECK(slow.body().size() == sent);
  CHECK(second.body().size() == sent);
}

TEST_CASE("smtpd is let ahead of a filter as far as there are few messages under way") {
  Rig rig;
  rig.play("a");
  auto body_of_a_new_session = [&](std::uint64_t number) {
    rig.open(number);
    rig.ask(FilterStage::connect);
    rig.envelope();
    rig.smtpd->send(ipc::FilterHeader{number, 0, "Subject: x\r\n"});
    rig.tell(FilterStage::end_of_header, {}, false);
    rig.smtpd->send(ipc::FilterBody{number, std::string(rig.may_send, 'x')});
    rig.may_send = 0;
  };
  constexpr std::size_t kMany = kAheadRoom.total / ipc::kFilterFirstWindow;
  for (std::uint64_t number = 1; number <= kMany; ++number) {
    body_of_a_new_session(number);
    std::size_t wanted = fair_share(kAheadRoom, number);
    CHECK(rig.until([&] { return rig.may_send == wanted; }));
  }
  CHECK(rig.may_send == ipc::kFilterFirstWindow);
}

TEST_CASE("a new body waits for smtpd to take it") {
  Rig rig;
  std::string body;
  for (int i = 0; i < 40'000; ++i) body += "line " + std::to_string(i) + " of the new body\r\n";
  rig.play("a", [&](Peer& peer, char command, const std::string& data) {
    if (command == 'E')
      for (std::size_t at = 0; at < body.size(); at += 60'000)
        peer.say('b', body.substr(at, 60'000));
    PlayedFilter::agree(peer, command, data);
  });
  rig.greet();
  rig.envelope();
  rig.confirms_pieces = false;
  rig.content();
  CHECK(rig.until([&] { return rig.new_body.size() == ipc::kFilterWindow; }));
  rig.settle();
  CHECK(rig.new_body.size() == ipc::kFilterWindow);
  CHECK(rig.results.empty());
  rig.confirms_pieces = true;
  rig.smtpd->send(ipc::FilterWindow{1, ipc::kFilterWindow});
  CHECK(rig.result().body_replaced);
  CHECK(rig.new_body == body);
}

TEST_CASE("a filter asks for too much") {
  Rig rig;
  rig.play("a", [](Peer& peer, char command, const std::string& data) {
    if (command == 'E') peer.say('+', texts({std::string(2000, 'x')}));
    PlayedFilter::agree(peer, command, data);
  });
  rig.greet();
  CHECK(rig.message() == kDeferred);
  CHECK(rig.result().judgements[0].failure == ipc::FilterFailure::protocol);
  CHECK(rig.result().recipients_added.empty());
}

TEST_CASE("after five failures nobody waits for a dead filter") {
  Rig rig;
  PlayedFilter& filter = rig.play("a", [](Peer& peer, char command, const std::string& data) {
    if (command == 'R') return peer.close();
    PlayedFilter::agree(peer, command, data);
  });
  rig.greet();
  for (int i = 0; i < 5; ++i) CHECK(rig.message() == std::string("at RCPT ") + kDeferred);
  int connections = filter.connections;
  for (int i = 0; i < 3; ++i) CHECK(rig.message() == std::string("at MAIL ") + kDeferred);
  rig.open(2);
  rig.ask(FilterStage::connect);
  rig.ask(FilterStage::helo, "x");
  CHECK(rig.message() == std::string("at MAIL ") + kDeferred);
  CHECK(filter.connections == connections);
  rig.clock.pass(10s);
  CHECK(rig.message() == std::string("at RCPT ") + kDeferred);  // the trial
  CHECK(rig.message() == std::string("at MAIL ") + kDeferred);
  filter.script = PlayedFilter::agree;
  rig.clock.pass(19s);
  CHECK(rig.message() == std::string("at MAIL ") + kDeferred);
  rig.clock.pass(1s);
  SECTION("one trial at a time") {
    rig.ask(FilterStage::mail, "<a@example.org>");
    rig.session = 1;
    CHECK(rig.message() == std::string("at MAIL ") + kDeferred);
    rig.session = 2;
    rig.smtpd->send(ipc::FilterAbort{2});
    rig.session = 1;
  }
  CHECK(rig.message() == "accept");
  CHECK(rig.message() == "accept");
}

TEST_CASE("a filter that ended an idle connection is asked on another one") {
  Rig rig;
  PlayedFilter& filter = rig.play("a");
  rig.greet();
  CHECK(rig.message() == "accept");
  SECTION("before the next message") {
    filter.peers[0]->close();
  }
  SECTION("while it comes") {
    bool first = true;
    filter.script = [first](Peer& peer, char command, const std::string& data) mutable {
      if (command == 'M' && std::exchange(first, false)) return peer.close();
      PlayedFilter::agree(peer, command, data);
    };
  }
  rig.settle();
  CHECK(rig.message() == "accept");
  CHECK(filter.connections == 2);
  CHECK(filter.commands.ends_with("OCHMRTLLNBE"));
}

TEST_CASE("a filter that answers no piece of a body gets all of it, however small the share") {
  Rig rig;
  PlayedFilter& filter = rig.play("a", [](Peer& peer, char command, const std::string& data) {
    if (command == 'O') return peer.negotiate(milter::protocol::kNoReplyBody);
    if (command != 'B') PlayedFilter::agree(peer, command, data);
  });
  rig.crowd(GENERATE(0U, 300U, 600U));
  rig.greet();
  std::string body(400'000, 'x');
  CHECK(rig.message(body) == "accept");
  CHECK(filter.body() == body);
}

TEST_CASE("a link that says what it must not ends, and others go on") {
  Rig rig;
  PlayedFilter& filter = rig.play("a");
  rig.greet();
  std::string piece(ipc::kFilterPieceMax, 'x');
  SECTION("a session twice") {
    rig.open(1);
  }
  SECTION("a session that is not there") {
    rig.session = 7;
    rig.tell(FilterStage::mail);
  }
  SECTION("content of one that is not there") {
    rig.smtpd->send(ipc::FilterBody{7, "x"});
  }
  SECTION("the end of one that is not there") {
    rig.smtpd->send(ipc::FilterQuit{7});
  }
  SECTION("more than the window") {
    filter.script = [](Peer&, char, const std::string&) {};
    rig.tell(FilterStage::mail);
    for (int i = 0; i < 5; ++i) rig.smtpd->send(ipc::FilterBody{1, piece});
  }
  SECTION("a confirmation of nothing") {
    rig.smtpd->send(ipc::FilterWindow{1, 1});
  }
  SECTION("what is said to smtpd") {
    rig.smtpd->send(ipc::FilterAnswer());
  }
  SECTION("nonsense") {
    rig.smtpd->send_frames(std::string("\3\0\0\0\x3d\0x", 7));
  }
  REQUIRE(rig.until([&] { return rig.closed; }));
  CHECK(rig.process->links() == 0);
  filter.script = PlayedFilter::agree;
  rig.smtpd.reset();
  rig.connect();
  rig.greet();
  CHECK(rig.message() == "accept");
}

TEST_CASE("an smtpd that finishes its sessions keeps its link beside the one of the same name") {
  Rig rig;
  rig.play("a");
  rig.greet();
  auto old = std::move(rig.smtpd);
  rig.connect();
  rig.settle();
  CHECK(rig.process->links() == 2);
  CHECK_FALSE(rig.closed);
  old.reset();
  CHECK(rig.until([&] { return rig.process->links() == 1; }));
}

TEST_CASE("events in any order end no process") {
  Rig rig({all_granted(), failing_to(config::FilterFailure::hold)});
  rig.play("a");
  std::mt19937 random(7);
  rig.play("b", [&](Peer& peer, char command, const std::string& data) {
    std::uint32_t luck = random() % 40;
    if (luck == 0) return peer.close();
    if (luck == 1) return peer.say('r');
    if (luck == 2) return peer.say('d');
    PlayedFilter::agree(peer, command, data);
  });
  rig.open();
  for (int i = 0; i < 3000; ++i) {
    std::uint32_t what = random() % 12;
    if (what < 8) rig.tell(static_cast<FilterStage>(what), "<x@y>", random() % 2 == 0);
    if (what == 8) rig.smtpd->send(ipc::FilterHeader{rig.session, 1, "A: b\r\nC: d\r\n"});
    if (what == 9 && rig.may_send >= 100) {
      rig.smtpd->send(ipc::FilterBody{rig.session, std::string(100, 'x')});
      rig.may_send -= 100;
    }
    if (what == 10) rig.smtpd->send(ipc::FilterAbort{rig.session});
    if (what == 11 && random() % 4 == 0) {
      rig.smtpd->send(ipc::FilterQuit{rig.session});
      rig.open(rig.session + 1);
    }
    if (random() % 8 == 0) rig.settle(1ms);
    if (random() % 50 == 0) rig.clock.pass(11s);
  }
  rig.settle();
  CHECK_FALSE(rig.closed);
  rig.smtpd->send(ipc::FilterAbort{rig.session});
  rig.clock.pass(3min);
  rig.open(rig.session + 1);
  rig.ask(FilterStage::connect);
}
