// What filters say in the course of sessions, and what smtpd hears of it.
#include "tests/unit/filter/filter_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

using Peer = PlayedFilter::Peer;

// Agrees to everything but that: there it says so.
PlayedFilter::Script says_at(char where, char answer, const std::string& data = {}) {
  return [=](Peer& peer, char command, const std::string& got) {
    if (command == where)
      peer.say(answer, data);
    else
      PlayedFilter::agree(peer, command, got);
  };
}

PlayedFilter::Script edits_at_end(std::function<void(Peer&)> edit, char verdict = 'a') {
  return [=](Peer& peer, char command, const std::string& got) {
    if (command != 'E') return PlayedFilter::agree(peer, command, got);
    edit(peer);
    peer.say(verdict);
  };
}

config::Filter with(std::function<void(config::Filter&)> change) {
  config::Filter out = all_granted();
  change(out);
  return out;
}

}  // namespace

TEST_CASE("a filter hears a session in order, with its macros and without our own field") {
  Rig rig;
  PlayedFilter& filter = rig.play("a");
  rig.greet();
  CHECK(rig.message("line\r\n") == "accept");
  rig.smtpd->send(ipc::FilterQuit{1});
  REQUIRE(rig.until([&] { return filter.commands.ends_with("Q"); }));
  CHECK(filter.commands == "OCHMRTLLNBEQ");
  CHECK(filter.connections == 1);
  CHECK(filter.data_of('C')[0] ==
        texts({"client.example"}) + "4" + '\x0f' + '\xa0' + texts({"192.0.2.1"}));
  CHECK(filter.data_of('M')[0] == texts({"<a@example.org>"}));
  CHECK(filter.data_of('L')[0] == texts({"Subject", "one"}));
  CHECK(filter.body() == "line\r\n");
  CHECK(filter.data_of('D')[0] == "C" + texts({"j", "mx.example"}));
  const ipc::FilterResult& result = rig.results.begin()->second;
  CHECK_FALSE(result.header_changed);
  REQUIRE(result.judgements.size() == 1);
  CHECK(result.judgements[0].filter == "a");
  CHECK(result.judgements[0].verdict == FilterVerdict::keep_going);
}

TEST_CASE("a session goes on with another message on the same connection") {
  Rig rig;
  PlayedFilter& filter = rig.play("a");
  rig.greet();
  for (int i = 0; i < 3; ++i) CHECK(rig.message() == "accept");
  CHECK(filter.connections == 1);
  CHECK(filter.data_of('E').size() == 3);
}

TEST_CASE("a filter refuses at each stage, and its own reply is heard") {
  const std::string kReply = texts({"554 5.7.0 no thanks"});
  const std::string kHeard = "refuse 554 5.7.0 no thanks";
  Rig rig;
  PlayedFilter& filter = rig.play("a");
  SECTION("connect, and everything behind it") {
    filter.script = says_at('C', 'y', kReply);
    rig.open();
    CHECK(rig.asked(FilterStage::connect) == kHeard);
    CHECK(rig.asked(FilterStage::helo, "x") == "accept");
    CHECK(rig.message() == "at MAIL " + kHeard);
  }
  SECTION("HELO, until another one comes") {
    filter.script = [&](Peer& peer, char command, const std::string& data) {
      if (command == 'H' && data == texts({"bad"})) return peer.say('y', kReply);
      PlayedFilter::agree(peer, command, data);
    };
    rig.open();
    rig.ask(FilterStage::connect);
    CHECK(rig.asked(FilterStage::helo, "bad") == kHeard);
    CHECK(rig.message() == "at MAIL " + kHeard);
    CHECK(rig.asked(FilterStage::helo, "good") == "accept");
    CHECK(rig.message() == "accept");
  }
  SECTION("MAIL, and the next message is another one") {
    filter.script = says_at('M', 'y', kReply);
    rig.greet();
    CHECK(rig.message() == "at MAIL " + kHeard);
    filter.script = PlayedFilter::agree;
    CHECK(rig.message() == "accept");
  }
  SECTION("one RCPT alone") {
    filter.script = [&](Peer& peer, char command, const std::string& data) {
      if (command == 'R' && data == texts({"<bad>"})) return peer.say('y', kReply);
      PlayedFilter::agree(peer, command, data);
    };
    rig.greet();
    rig.ask(FilterStage::mail, "<a@example.org>");
    CHECK(rig.asked(FilterStage::rcpt, "<bad>") == kHeard);
    CHECK(rig.asked(FilterStage::rcpt, "<good>") == "accept");
    CHECK(rig.asked(FilterStage::data) == "accept");
    rig.content();
    CHECK(rig.result().verdict == FilterVerdict::keep_going);
  }
  SECTION("DATA") {
    filter.script = says_at('T', 'y', kReply);
    rig.greet();
    CHECK(rig.message() == "at DATA " + kHeard);
  }
  SECTION("header, its end, body and end of message: at the end") {
    char where = GENERATE('L', 'N', 'B', 'E');
    filter.script = says_at(where, 'y', kReply);
    rig.greet();
    CHECK(rig.message(std::string(500'000, 'x')) == kHeard);
    REQUIRE(rig.results.begin()->second.judgements.size() == 1);
    CHECK(rig.results.begin()->second.judgements[0].text == "554 5.7.0 no thanks");
    filter.script = PlayedFilter::agree;
    CHECK(rig.message() == "accept");
    CHECK((filter.connections == 1 || (where != 'E' && filter.connections == 2)));
  }
}

TEST_CASE("each verdict has its words where the filter has none") {
  Rig rig;
  PlayedFilter& filter = rig.play("a");
  rig.greet();
  auto said = [&](char answer) {
    filter.script = says_at('E', answer);
    return rig.message();
  };
  CHECK(said('r') == "refuse 550 5.7.1 refused by a filter");
  CHECK(said('t') == "defer 451 4.7.1 a filter asks to try again later");
  CHECK(said('d') == "discard");
  CHECK(said('a') == "accept");
  CHECK(said('4') == "hang_up 421 4.7.0 a filter ends the session");
}

TEST_CASE("a filter that accepts early hears no more of the message") {
  Rig rig;
  PlayedFilter& filter = rig.play("a", says_at('M', 'a'));
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(rig.message() == "accept");
  CHECK(filter.commands == "OCHMM");
}

TEST_CASE("a recipient that nobody waited for and a filter refuses defers the message") {
  Rig rig;
  rig.play("a", says_at('R', 'r'));
  rig.greet();
  rig.tell(FilterStage::mail, "<a@example.org>", false);
  rig.tell(FilterStage::rcpt, "<b@example.net>", false);
  rig.tell(FilterStage::data, {}, false);
  rig.content();
  CHECK(rig.result().verdict == FilterVerdict::defer);
}

TEST_CASE("a recipient that smtpd has refused has no verdict") {
  Rig rig;
  rig.play("a", [](Peer& peer, char command, const std::string& data) {
    if (command == 'O') return peer.negotiate(milter::protocol::kRejectedRecipients);
    if (command == 'R') return peer.say('r');
    PlayedFilter::agree(peer, command, data);
  });
  rig.greet();
  rig.ask(FilterStage::mail, "<a@example.org>");
  ipc::FilterEvent event;
  event.session = 1;
  event.number = ++rig.number;
  event.stage = FilterStage::rcpt;
  event.awaited = true;
  event.rejected = true;
  event.text = "<x@example.net>";
  rig.smtpd->send(event);
  REQUIRE(rig.until([&] { return rig.answers.count(event.number) > 0; }));
  CHECK(rig.answers[event.number].verdict == FilterVerdict::keep_going);
}

TEST_CASE("all edits of a filter arrive") {
  Rig rig;
  rig.play("a", edits_at_end([](Peer& peer) {
             peer.say('h', texts({"X-Add", "1"}));
             peer.say('i', octets32(1) + texts({"X-Insert", "2"}));
             peer.say('m', octets32(1) + texts({"Subject", "two"}));
             peer.say('m', octets32(1) + texts({"X-A", ""}));
             peer.say('b', "new\n");
             peer.say('+', texts({"<c@example.net>"}));
             peer.say('2', texts({"<d@example.net>", "NOTIFY=NEVER"}));
             peer.say('-', texts({"<b@example.net>"}));
             peer.say('e', texts({"<s@example.org>", "RET=HDRS"}));
             peer.say('q', texts({"odd"}));
             peer.say('p');
             peer.say('b', "body");
           }));
  rig.greet();
  CHECK(rig.message() == "accept held for a: odd");
  const ipc::FilterResult& result = rig.result();
  CHECK(result.header_changed);
  CHECK(result.section == "Received: us\r\nX-Insert: 2\r\nSubject: two\r\nX-Add: 1\r\n");
  CHECK(result.body_replaced);
  CHECK(rig.new_body == "new\r\nbody\r\n");
  REQUIRE(result.recipients_added.size() == 2);
  CHECK(result.recipients_added[1].arguments == "NOTIFY=NEVER");
  CHECK(result.recipients_removed == std::vector<std::string>{"<b@example.net>"});
  CHECK(result.sender->address == "<s@example.org>");
  REQUIRE(result.judgements.size() == 1);
  CHECK(result.judgements[0].edits == 10);
  CHECK(result.judgements[0].hold);
}

TEST_CASE("what a filter may not do is not done, and counted") {
  Rig rig({with([](config::Filter& one) { one.may = {config::FilterRight::headers}; })});
  PlayedFilter& filter = rig.play("a", edits_at_end([](Peer& peer) {
                                    peer.say('h', texts({"X-Add", "1"}));
                                    peer.say('b', "new\r\n");
                                    peer.say('q', texts({"odd"}));
                                    peer.say('+', texts({"<c@example.net>"}));
                                  }));
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(rig.result().header_changed);
  CHECK_FALSE(rig.result().body_replaced);
  CHECK(rig.result().recipients_added.empty());
  CHECK(rig.result().judgements[0].edits_not_allowed == 3);
  filter.script = says_at('E', 'r');
  CHECK(rig.message() == "accept");
  CHECK(rig.result().judgements[0].edits_not_allowed == 1);
}

TEST_CASE("edits together with a refusal change nothing") {
  Rig rig;
  rig.play("a", edits_at_end([](Peer& peer) { peer.say('h', texts({"X-Add", "1"})); }, 'r'));
  rig.greet();
  CHECK(rig.message() == "refuse 550 5.7.1 refused by a filter");
  CHECK_FALSE(rig.result().header_changed);
}

TEST_CASE("a filter is shown what those before it have left") {
  Rig rig({all_granted(), all_granted()});
  PlayedFilter& first = rig.play("a", edits_at_end([](Peer& peer) {
                                   peer.say('m', octets32(1) + texts({"Subject", "two"}));
                                   peer.say('b', "of the first\r\n");
                                 }));
  PlayedFilter& second = rig.play("b", edits_at_end([](Peer& peer) {
                                    peer.say('h', texts({"X-Second", "1"}));
                                    peer.say('q', texts({""}));
                                  }));
  rig.greet();
  CHECK(rig.message() == "accept held for b");
  CHECK(first.body() == "hello\r\n");
  CHECK(second.data_of('L')[0] == texts({"Subject", "two"}));
  CHECK(second.body() == "of the first\r\n");
  CHECK(rig.new_body == "of the first\r\n");
  CHECK(rig.result().section == "Received: us\r\nSubject: two\r\nX-A: 1\r\nX-Second: 1\r\n");
  CHECK(rig.result().judgements.size() == 2);
}

TEST_CASE("a filter behind the first gets the body that came, small and large") {
  std::size_t size = GENERATE(0, 7, 300'000, 5'000'000);
  std::string body;
  while (body.size() < size) body += "line " + std::to_string(body.size()) + "\r\n";
  Rig rig({all_granted(), all_granted()});
  PlayedFilter& first = rig.play("a");
  PlayedFilter& second = rig.play("b");
  rig.greet();
  CHECK(rig.message(body) == "accept");
  CHECK(first.body() == body);
  CHECK(second.body() == body);
  CHECK_FALSE(rig.result().body_replaced);
}

TEST_CASE("a filter behind one that refuses is not asked, and told that it is over") {
  Rig rig({all_granted(), all_granted()});
  PlayedFilter& first = rig.play("a", says_at('E', 'r'));
  PlayedFilter& second = rig.play("b");
  rig.greet();
  CHECK(rig.message() == "refuse 550 5.7.1 refused by a filter");
  REQUIRE(rig.until([&] { return second.commands.ends_with("A"); }));
  CHECK(second.commands == "OCHMRTA");
  first.script = says_at('M', 'r');
  CHECK(rig.message() == "at MAIL refuse 550 5.7.1 refused by a filter");
  rig.settle();
  CHECK(second.commands == "OCHMRTA");
}

TEST_CASE("a watched filter changes nothing") {
  Rig rig({with([](config::Filter& one) { one.mode = config::FilterMode::watch; }), all_granted()});
  PlayedFilter& watched = rig.play("a", edits_at_end([](Peer& peer) {
                                     peer.say('h', texts({"X-Add", "1"}));
                                     peer.say('b', "new\r\n");
                                     peer.say('q', texts({"odd"}));
                                     peer.say('-', texts({"<b@example.net>"}));
                                   }));
  PlayedFilter& second = rig.play("b");
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK_FALSE(rig.result().header_changed);
  CHECK_FALSE(rig.result().body_replaced);
  CHECK(rig.result().recipients_removed.empty());
  CHECK(second.body() == "hello\r\n");
  REQUIRE(rig.result().judgements.size() == 2);
  CHECK(rig.result().judgements[0].watch);
  CHECK(rig.result().judgements[0].edits == 4);
  for (char where : std::string("MRTLNBE")) {
    watched.script = says_at(where, 'r');
    CAPTURE(where);
    CHECK(rig.message() == "accept");
  }
  for (char where : std::string("CHMRTLNBE")) {
    watched.script = [where](Peer& peer, char command, const std::string& data) {
      if (command == where) return peer.close();
      PlayedFilter::agree(peer, command, data);
    };
    CAPTURE(where);
    CHECK(rig.message() == "accept");
  }
}

TEST_CASE("RSET ends a message for all filters, and the next one is judged") {
  Rig rig({all_granted(), all_granted()});
  bool silent = true;
  PlayedFilter& first = rig.play("a", [&](Peer& peer, char command, const std::string& data) {
    if (command == 'T' && silent) return;
    PlayedFilter::agree(peer, command, data);
  });
  PlayedFilter& second = rig.play("b");
  rig.greet();
  rig.ask(FilterStage::mail, "<a@example.org>");
  rig.ask(FilterStage::rcpt, "<b@example.net>");
  std::uint32_t lost = rig.tell(FilterStage::data);
  REQUIRE(rig.until([&] { return first.commands.ends_with("T"); }));
  rig.smtpd->send(ipc::FilterAbort{1});
  REQUIRE(rig.until([&] { return second.commands.ends_with("A"); }));
  silent = false;
  first.peers[0]->say('r');  // of the message that is over
  CHECK(rig.message() == "accept");
  CHECK(rig.answers.count(lost) == 0);
  CHECK(first.connections == 1);
}

TEST_CASE("filters of a listener's kind are asked, and no others") {
  Rig rig({with([](config::Filter& one) { one.on = {"submission"}; }), all_granted()});
  PlayedFilter& other = rig.play("a");
  PlayedFilter& filter = rig.play("b");
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(other.connections == 0);
  CHECK(filter.connections == 1);
}

TEST_CASE("smtpd is told what filters want once it is known") {
  Rig rig;
  rig.play("a", [](Peer& peer, char command, const std::string& data) {
    namespace p = milter::protocol;
    if (command == 'O')
      return peer.negotiate(p::kNoReplyConnect | p::kNoReplyHelo | p::kNoHelo | p::kNoReplyMail |
                            p::kNoBody | p::kNoReplyHeader);
    if (std::string_view("CML").find(command) != std::string_view::npos) return;
    PlayedFilter::agree(peer, command, data);
  });
  REQUIRE(rig.until([&] { return rig.wants.size() == 1; }));
  REQUIRE(rig.wants[0].listeners.size() == 1);
  CHECK(rig.wants[0].listeners[0].name == "in");
  CHECK(rig.wants[0].listeners[0].stages == ipc::kAllFilterStages);
  rig.greet();
  REQUIRE(rig.until([&] { return rig.wants.size() == 2; }));
  CHECK(rig.wants[1].listeners[0].stages ==
        (bit_of(FilterStage::rcpt) | bit_of(FilterStage::data) | bit_of(FilterStage::unknown) |
         bit_of(FilterStage::end_of_message)));
  CHECK_FALSE(rig.wants[1].listeners[0].body);
  CHECK(rig.message() == "accept");
  rig.open(2);
  rig.ask(FilterStage::connect);
  rig.settle();
  CHECK(rig.wants.size() == 2);
}

TEST_CASE("a filter is found by the name of its host, at the first address that answers") {
  config::Filter filter = all_granted();
  filter.socket.port = 21'000;
  SECTION("one that has addresses") {
    filter.socket.host = "filters.example";
    Rig rig({filter});
    PlayedFilter& played = rig.play_at({"127.0.0.1", 21'000, {}}, PlayedFilter::agree);
    rig.greet();
    CHECK(rig.message() == "accept");
    CHECK(played.connections == 1);
  }
  SECTION("one that has none") {
    filter.socket.host = "nowhere.example";
    Rig rig({filter});
    rig.greet();
    CHECK(rig.message().starts_with("at MAIL defer 451 4.7.1"));
  }
}

// Each would cost far more than its octets, in as many sessions as a client may have.
TEST_CASE("a header section of a great many fields is refused before it is taken to pieces") {
  Rig rig;
  rig.play("a");
  rig.greet();
  rig.envelope();
  std::string section = "Received: us\r\n";
  for (std::ptrdiff_t i = 0; i < kHeaderLinesMax; ++i) section += "a:\r\n";
  rig.content("hello\r\n", section);
  const ipc::FilterResult& said = rig.result();
  CHECK(said.verdict == FilterVerdict::refuse);
  CHECK(said.reply.one_line() == "552 5.3.4 Too many lines in the header");
  CHECK(rig.message() == "accept");
}
