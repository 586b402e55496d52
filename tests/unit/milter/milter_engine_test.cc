// Sessions and messages with a filter (milter_engine.h). What must not happen is named after where
// it happened to others.
#include "tests/unit/milter/filter_talk.h"

using namespace postwain;
using namespace postwain::milter;
using namespace postwain::milter::test;

namespace {

ClientAddress client() {
  return {ClientAddress::Family::ipv4, "client.example", "192.0.2.1", 4711};
}

void send_content(Talk& talk, std::string_view body = "body\r\n") {
  talk.engine.header("Subject", " hello");
  talk.engine.end_of_header();
  talk.engine.body(body);
  talk.engine.end_of_message();
}

}  // namespace

TEST_CASE("the offer is version 6 with all actions and all bits but packet sizes") {
  MilterEngine engine;
  CHECK(engine.take_output() == packet('O', number32(6) + number32(0x1ff) + number32(0x1fffff)));
  CHECK(engine.is_waiting());
  CHECK(engine.agreement() == nullptr);
}

TEST_CASE("an agreement that cannot be kept is a failure with its reason") {
  struct Case {
    std::string data;
    std::string why;
  };
  const std::string bits = number32(0) + number32(0);
  const Case cases[] = {
      {number32(6), "its answer to the negotiation is too short"},
      {number32(1) + bits, "it speaks version 1 of the protocol"},
      {number32(7) + bits, "it speaks version 7 of the protocol"},
      {number32(6) + number32(0x200) + number32(0), "it wants actions that were not offered"},
      {number32(6) + bits + number32(7) + texts({"j"}), "its list of macros cannot be read"},
      {number32(6) + bits + number32(0) + "j", "its list of macros cannot be read"},
  };
  for (const Case& one : cases) {
    MilterEngine engine;
    CHECK_FALSE(engine.receive(packet('O', one.data)));
    CHECK(engine.failure() == one.why);
    CHECK_FALSE(engine.is_waiting());
  }
  MilterEngine engine;
  CHECK_FALSE(engine.receive(packet('c')));
  CHECK(engine.failure() == "it does not negotiate");
}

TEST_CASE("a whole session, every event answered") {
  Talk talk;
  talk.engine.connect(client());
  std::vector<SentPacket> sent = talk.packets();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].data ==
        texts({"client.example"}) + "4" + std::string("\x12\x67", 2) + texts({"192.0.2.1"}));
  CHECK(talk.engine.is_waiting());
  talk.engine.helo("mail.client.example");
  CHECK(talk.commands().empty());
  talk.say('c');
  CHECK(talk.commands() == "H");
  talk.say('c');
  CHECK(talk.verdicts() == "connect go; helo go");
  std::vector<std::string> arguments{"SIZE=10", "ENVID=a+2Bb"};
  talk.engine.mail("<a@example.org>", arguments);
  CHECK(talk.packets()[0].data == texts({"<a@example.org>", "SIZE=10", "ENVID=a+2Bb"}));
  talk.say('c');
  talk.engine.rcpt("<b@example.org>", {});
  talk.engine.data();
  talk.say('c');
  talk.say('c');
  CHECK(talk.verdicts() == "mail go; rcpt go; data go");
  (void)talk.packets();
  send_content(talk);
  CHECK(talk.commands() == "L");
  talk.say('c');
  CHECK(talk.commands() == "N");
  talk.say('c');
  CHECK(talk.commands() == "B");
  talk.say('c');
  CHECK(talk.commands() == "E");
  talk.say('c');
  CHECK(talk.verdicts() == "eoh go; eom go");
  CHECK_FALSE(talk.engine.is_waiting());
  talk.engine.quit(false);
  CHECK(talk.commands() == "Q");
}

TEST_CASE("a filter that answers nothing gets everything at once, and is awaited at the end only") {
  Talk talk(protocol::kNoReplyConnect | protocol::kNoReplyHelo | protocol::kNoReplyMail |
            protocol::kNoReplyRcpt | protocol::kNoReplyData | protocol::kNoReplyHeader |
            protocol::kNoReplyEndOfHeader | protocol::kNoReplyBody);
  talk.engine.connect(client());
  talk.engine.helo("h");
  talk.engine.mail("<a@example.org>", {});
  talk.engine.rcpt("<b@example.org>", {});
  talk.engine.data();
  CHECK_FALSE(talk.engine.is_waiting());
  send_content(talk);
  CHECK(talk.commands() == "CHMRTLNBE");
  CHECK(talk.verdicts() == "connect go; helo go; mail go; rcpt go; data go; eoh go");
  CHECK(talk.engine.is_waiting());
  talk.say('a');
  CHECK(talk.verdicts() == "eom accept");
}

TEST_CASE(
    "events a filter does not want are answered here, and it gets their macros all the same") {
  Talk talk(protocol::kNoConnect | protocol::kNoHelo | protocol::kNoMail | protocol::kNoRcpt |
            protocol::kNoData | protocol::kNoHeaders | protocol::kNoEndOfHeader |
            protocol::kNoBody);
  talk.engine.set_macro("j", "mx.example.org");
  talk.engine.connect(client());
  talk.engine.helo("h");
  talk.engine.set_macro("i", "QUEUEID");
  talk.engine.mail("<a@example.org>", {});
  talk.engine.rcpt("<b@example.org>", {});
  talk.engine.data();
  send_content(talk);
  std::string order;
  for (const SentPacket& one : talk.packets())
    order += one.command == 'D' ? "D" + one.data.substr(0, 1) : std::string(1, one.command);
  CHECK(order == "DCDMDRDTDNDEE");
  CHECK(talk.verdicts() == "connect go; helo go; mail go; rcpt go; data go; eoh go");
}

TEST_CASE("an older filter never hears of what its version does not know") {
  Talk two(0, 2);
  two.engine.unknown("XFOO");
  begin_message(two);
  two.engine.data();
  CHECK(two.commands().empty());
  CHECK(two.verdicts() == "data go");
  Talk three(0, 3);
  three.engine.unknown("XFOO");
  CHECK(three.commands() == "U");
  three.say('c');
  begin_message(three);
  three.engine.data();
  CHECK(three.commands().empty());
}

TEST_CASE("a filter that accepts a message hears no more of it, but of the next one (pitfall 5)") {
  Talk talk;
  talk.engine.mail("<a@example.org>", {});
  talk.say('c');
  talk.engine.rcpt("<b@example.org>", {});
  talk.say('a');
  CHECK(talk.engine.is_done());
  talk.engine.data();
  send_content(talk);
  CHECK(talk.commands() == "MR");
  CHECK(talk.verdicts() == "mail go; rcpt accept; data go; eoh go; eom go");
  talk.engine.mail("<a@example.org>", {});
  CHECK(talk.commands() == "M");
  CHECK_FALSE(talk.engine.is_done());
}

TEST_CASE("a filter that accepts a session hears no more of it") {
  Talk talk;
  talk.engine.connect(client());
  talk.say('c');
  talk.engine.helo("h");
  talk.say('a');
  (void)talk.verdicts();
  (void)talk.commands();
  talk.engine.mail("<a@example.org>", {});
  send_content(talk);
  CHECK(talk.commands().empty());
  CHECK(talk.verdicts() == "mail go; eoh go; eom go");
}

TEST_CASE("a refused recipient is refused alone, a refused sender ends the message") {
  Talk talk;
  begin_message(talk);
  talk.engine.rcpt("<bad@example.org>", {});
  talk.say('y', texts({"550 5.1.1 no such user"}));
  talk.engine.rcpt("<c@example.org>", {});
  talk.say('c');
  CHECK(talk.verdicts() == "rcpt refuse 550 5.1.1 no such user; rcpt go");
  (void)talk.commands();
  send_content(talk);
  talk.say('c');
  talk.say('c');
  talk.say('t');
  CHECK(talk.verdicts() == "eoh go; body defer; eom go");
  talk.engine.mail("<x@example.org>", {});
  talk.say('r');
  CHECK(talk.verdicts() == "mail refuse");
  (void)talk.commands();
  talk.engine.abort();
  CHECK(talk.commands().empty());
}

TEST_CASE("a verdict on one message never touches the next (pitfall 15)") {
  Talk talk;
  begin_message(talk);
  talk.engine.end_of_message();
  talk.say('h', texts({"X-Spam", "yes"}));
  talk.say('r');
  CHECK(talk.verdicts() == "eom refuse");
  begin_message(talk);
  CHECK(talk.engine.edits().take().empty());
  talk.engine.end_of_message();
  talk.say('c');
  CHECK(talk.verdicts() == "eom go");
}

TEST_CASE("the late answer to a message that was given up counts for nobody") {
  Talk talk;
  begin_message(talk);
  talk.engine.end_of_message();
  (void)talk.commands();
  talk.engine.abort();
  CHECK(talk.commands() == "A");
  talk.engine.mail("<next@example.org>", {});
  CHECK(talk.commands().empty());  // its answer to the former one is still to come
  talk.say('h', texts({"X-Late", "1"}));
  talk.say('r');
  CHECK(talk.commands() == "M");
  CHECK(talk.verdicts().empty());
  CHECK(talk.engine.edits().take().empty());
  talk.say('c');
  CHECK(talk.verdicts() == "mail go");
}

TEST_CASE("an abort is sent only while the filter has a message open") {
  Talk talk;
  talk.engine.abort();
  CHECK(talk.commands().empty());
  begin_message(talk);
  talk.engine.abort();
  CHECK(talk.commands() == "A");
  talk.engine.abort();
  CHECK(talk.commands().empty());
  begin_message(talk);
  talk.engine.end_of_message();
  talk.say('c');
  (void)talk.commands();
  talk.engine.abort();
  CHECK(talk.commands().empty());
}

TEST_CASE("skip ends events of one kind in this message") {
  Talk talk(protocol::kSkip);
  begin_message(talk);
  talk.engine.header("A", " 1");
  talk.engine.header("B", " 2");
  talk.say('s');
  CHECK(talk.commands() == "L");
  talk.engine.end_of_header();
  talk.engine.body(std::string(200'000, 'x'));
  talk.say('c');
  talk.say('s');
  talk.engine.end_of_message();
  CHECK(talk.commands() == "NBE");
  talk.say('c');
  begin_message(talk);
  talk.engine.header("A", " 1");
  CHECK(talk.commands() == "L");
}

TEST_CASE("skip is a mistake where it was not agreed, or where nothing repeats") {
  Talk not_agreed;
  begin_message(not_agreed);
  not_agreed.engine.header("A", " 1");
  CHECK_FALSE(not_agreed.say('s'));
  Talk once(protocol::kSkip);
  once.engine.connect(client());
  CHECK_FALSE(once.say('s'));
  CHECK(once.engine.failure() == "it skips what cannot be skipped");
}

TEST_CASE("what a filter may not say ends it, with the reason") {
  Talk unasked;
  CHECK_FALSE(unasked.say('c'));
  CHECK(unasked.engine.failure() == "it answers what it was not asked");
  Talk odd;
  odd.engine.helo("h");
  CHECK_FALSE(odd.say('z'));
  CHECK(odd.engine.failure() == "it sent a packet that is no answer");
  Talk empty;
  CHECK_FALSE(empty.engine.receive(number32(0)));
  Talk huge;
  CHECK_FALSE(huge.engine.receive(number32(0xffffffff)));
  CHECK(huge.engine.failure() == "it sent a packet that is empty or too long");
  Talk discards;
  discards.engine.connect(client());
  CHECK_FALSE(discards.say('d'));
  Talk name;
  begin_message(name);
  name.engine.end_of_message();
  CHECK_FALSE(name.say('h', texts({"X Y:", "1"})));
  Talk cut;
  begin_message(cut);
  cut.engine.end_of_message();
  CHECK_FALSE(cut.say('m', number32(1) + "Subject"));
}

TEST_CASE("after a failure nothing is sent, and nothing more is believed") {
  Talk talk;
  begin_message(talk);
  talk.engine.fail("it did not answer in 30 s");
  talk.engine.end_of_message();
  talk.engine.abort();
  talk.engine.quit(false);
  CHECK(talk.engine.take_output().empty());
  CHECK_FALSE(talk.say('c'));
  CHECK(talk.verdicts().empty());
  CHECK(talk.engine.failure() == "it did not answer in 30 s");
}

TEST_CASE("progress restarts the wait and is no answer") {
  Talk talk;
  begin_message(talk);
  talk.engine.end_of_message();
  CHECK_FALSE(talk.engine.take_progress());
  CHECK(talk.say('p'));
  CHECK(talk.engine.take_progress());
  CHECK_FALSE(talk.engine.take_progress());
  CHECK(talk.engine.is_waiting());
}

TEST_CASE("replies that close the connection") {
  for (auto [command, data] :
       {std::pair<char, std::string>{'4', ""}, {'f', ""}, {'y', texts({"421 4.7.0 go away"})}}) {
    Talk talk;
    begin_message(talk);
    talk.engine.data();
    talk.say(command, data);
    CHECK(talk.verdicts().substr(0, 12) == "data hang_up");
    CHECK(talk.engine.failure().empty());
  }
}

TEST_CASE("header fields: the leading space, folds and octets beyond ASCII (pitfall 23)") {
  Talk plain;
  begin_message(plain);
  plain.engine.header("Subject", " one\r\n two \xe4");
  CHECK(plain.packets()[0].data == texts({"Subject", "one\n two \xe4"}));
  Talk with_space(protocol::kHeaderLeadingSpace);
  begin_message(with_space);
  with_space.engine.header("Subject", " one\r\n\ttwo");
  CHECK(with_space.packets()[0].data == texts({"Subject", " one\n\ttwo"}));
}

TEST_CASE("a field longer than a packet is shown cut off, and counted (pitfall 2)") {
  Talk talk;
  begin_message(talk);
  talk.engine.header("X-Long", std::string(900'000, 'x'));
  CHECK(talk.packets()[0].data.size() == kHeaderValueMax + 2);
  CHECK(talk.engine.headers_cut() == 1);
}

TEST_CASE("a body goes in packets of at most 65535 octets, joined while the filter works") {
  Talk talk;
  begin_message(talk);
  talk.engine.end_of_header();
  std::string whole;
  for (int i = 0; i < 1000; ++i) {
    std::string piece(150, static_cast<char>('a' + i % 26));
    talk.engine.body(piece);
    whole += piece;
  }
  CHECK(talk.engine.pending_octets() >= whole.size());
  talk.say('c');
  talk.engine.end_of_message();
  std::string came;
  std::size_t packets = 0;
  for (int i = 0; i < 10; ++i) {
    for (const SentPacket& one : talk.packets()) {
      if (one.command != 'B') continue;
      CHECK(one.data.size() <= kBodyChunkMax);
      came += one.data;
      ++packets;
    }
    if (talk.engine.is_waiting()) talk.say('c');
  }
  CHECK(came == whole);
  CHECK(packets == 3);
  CHECK(talk.engine.pending_octets() == 0);
}

TEST_CASE("recipients that the server refused are told to filters that want them") {
  Talk deaf;
  begin_message(deaf);
  deaf.engine.rejected_rcpt("<x@example.org>", {});
  CHECK(deaf.commands().empty());
  Talk talk(protocol::kRejectedRecipients);
  begin_message(talk);
  talk.engine.set_macro("rcpt_mailer", "error");
  talk.engine.rejected_rcpt("<x@example.org>", {});
  CHECK(talk.commands() == "DR");
  talk.say('r');
  CHECK(talk.verdicts().empty());
  CHECK_FALSE(talk.engine.is_done());
}

TEST_CASE("a client without a network address") {
  Talk talk;
  talk.engine.connect({ClientAddress::Family::unknown, "localhost", {}, 0});
  CHECK(talk.packets()[0].data == texts({"localhost"}) + "U");
}

TEST_CASE("a session on a connection that had another one before") {
  Talk talk;
  talk.engine.set_macro("client_name", "former.example");
  talk.engine.connect(client());
  talk.say('a');
  talk.engine.quit(true);
  CHECK(talk.commands() == "DCK");
  (void)talk.verdicts();
  talk.engine.connect(client());
  CHECK(talk.commands() == "C");
}

TEST_CASE("the filter's octets may be cut anywhere") {
  const std::string answers = packet('O', number32(6) + number32(0x1ff) + number32(0)) +
                              packet('c') + packet('y', texts({"550 5.7.1 a\r\n550 5.7.1 b"}));
  for (std::size_t cut = 0; cut <= answers.size(); ++cut) {
    MilterEngine engine;
    std::size_t first = packet('O', std::string(12, '\0')).size();
    auto give = [&](std::string_view octets) { REQUIRE(engine.receive(octets)); };
    auto give_cut = [&](std::size_t from, std::size_t to) {
      std::size_t at = std::clamp(cut, from, to);
      give(std::string_view(answers).substr(from, at - from));
      give(std::string_view(answers).substr(at, to - at));
    };
    give_cut(0, first);
    engine.mail("<a@example.org>", {});
    engine.rcpt("<b@example.org>", {});
    give_cut(first, answers.size());
    REQUIRE(engine.next_verdict()->verdict == Verdict::keep_going);
    auto refused = engine.next_verdict();
    REQUIRE(refused);
    CHECK(refused->reply.text == "a\nb");
  }
}
