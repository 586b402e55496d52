// Content that goes to a milter ahead of its answers (`pipelining`): whose verdict an early answer
// is, and on which connection the next message is told of.
#include "filter/milter/outside_filter.h"
#include "tests/unit/filter/filter_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

using Peer = PlayedFilter::Peer;

config::Filter changed(const std::function<void(config::Filter&)>& change) {
  config::Filter out = all_granted();
  change(out);
  return out;
}

void accepts_at_first_field(Peer& peer, char command, const std::string& got) {
  if (command == 'L') return peer.say('a');
  PlayedFilter::agree(peer, command, got);
}

}  // namespace

TEST_CASE("content goes to a filter without waiting for its answers, unless it is told otherwise") {
  bool pipelining = GENERATE(false, true);
  Rig rig({changed([&](config::Filter& filter) { filter.pipelining = pipelining; })});
  // Answers nothing between DATA and the end of the message.
  PlayedFilter& filter = rig.play("a", [](Peer& peer, char command, const std::string& got) {
    if (std::string_view("LNB").find(command) == std::string_view::npos)
      PlayedFilter::agree(peer, command, got);
  });
  rig.greet();
  rig.envelope();
  rig.content();
  rig.settle();
  CHECK(filter.commands == (pipelining ? "OCHMRTLLNBE" : "OCHMRTL"));
}

TEST_CASE("a filter that ends a message early hears the next one anew, and in step for a while") {
  Rig rig;
  PlayedFilter& filter = rig.play("a", accepts_at_first_field);
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(filter.commands.starts_with("OCHMRTLLN"));
  CHECK(rig.message() == "accept");
  CHECK(filter.connections == 2);
  CHECK(filter.commands.find("OCHMRTL", 9) != std::string::npos);
  for (int message = 0; message < 3; ++message) CHECK(rig.message() == "accept");
  CHECK(filter.connections == 2);
  CHECK(filter.commands.ends_with("MRTLMRTLMRTL"));
  rig.clock.pass(kInStep + 1s);
  CHECK(rig.message() == "accept");
  CHECK(filter.commands.find("MRTLLN", 9) != std::string::npos);
}

TEST_CASE("what a filter says at the first field, with the rest sent, is of that message alone") {
  char answer = GENERATE('y', 'r', 't', 'd');
  Rig rig;
  bool once = false;
  // It answers all else, too, as filters do that do not look back.
  PlayedFilter& filter = rig.play("a", [&](Peer& peer, char command, const std::string& got) {
    if (command != 'L' || std::exchange(once, true)) return PlayedFilter::agree(peer, command, got);
    peer.say(answer, answer == 'y' ? texts({"554 5.7.0 no thanks"}) : std::string());
  });
  rig.greet();
  std::string said = rig.message();
  CHECK(said == (answer == 'y'   ? "refuse 554 5.7.0 no thanks"
                 : answer == 'r' ? "refuse 550 5.7.1 refused by a filter"
                 : answer == 't' ? "defer 451 4.7.1 a filter asks to try again later"
                                 : "discard"));
  CHECK(rig.message() == "accept");
  CHECK(rig.message() == "accept");
  CHECK(filter.connections == 2);
}

TEST_CASE("a client that leaves while content is ahead leaves a filter that is asked again") {
  Rig rig;
  bool silent = true;
  PlayedFilter& filter = rig.play("a", [&](Peer& peer, char command, const std::string& got) {
    if (command == 'L' && silent) return peer.say('a');  // and silence to what comes behind it
    if (silent && std::string_view("NBE").find(command) != std::string_view::npos) return;
    PlayedFilter::agree(peer, command, got);
  });
  rig.greet();
  rig.envelope();
  rig.smtpd->send(ipc::FilterHeader{rig.session, 1, "Received: us\r\nA: 1\r\nB: 2\r\n"});
  rig.tell(FilterStage::end_of_header, {}, false);
  rig.smtpd->send(ipc::FilterAbort{rig.session});
  rig.settle();
  silent = false;
  CHECK(rig.message() == "accept");
  CHECK(filter.connections == 2);
}

TEST_CASE(
    "an early verdict on a message that was aborted while its content was ahead spends no other") {
  Rig rig(
      {changed([](config::Filter& filter) { filter.on_failure = config::FilterFailure::accept; })});
  Peer* late = nullptr;
  bool first = true;
  // Owes its answer to the first field until the next message has begun, and refuses that message.
  PlayedFilter& filter = rig.play("a", [&](Peer& peer, char command, const std::string& got) {
    if (first && command == 'L') {
      late = &peer;
      first = false;
    }
    if (late == &peer) return;
    if (command == 'E') return peer.say('y', texts({"554 5.7.0 spam"}));
    PlayedFilter::agree(peer, command, got);
  });
  rig.greet();
  for (int message = 0; message < 3; ++message) {
    first = true;
    rig.envelope();
    rig.smtpd->send(ipc::FilterHeader{rig.session, 1, "Received: us\r\nA: 1\r\nB: 2\r\n"});
    rig.tell(FilterStage::end_of_header, {}, false);
    REQUIRE(rig.until([&] { return !first; }));
    rig.smtpd->send(ipc::FilterAbort{rig.session});
    std::uint32_t mail = rig.tell(FilterStage::mail, "<c@example.org>");
    rig.settle();
    if (!late->gone) late->say('r');
    REQUIRE(rig.until([&] { return rig.answers.count(mail) > 0; }));
    CHECK(rig.answers[mail].verdict == FilterVerdict::keep_going);
    CHECK(rig.asked(FilterStage::rcpt, "<b@example.net>") == "accept");
    CHECK(rig.asked(FilterStage::data) == "accept");
    rig.content();
    CHECK(rig.result().reply.one_line() == "554 5.7.0 spam");
    late = nullptr;
  }
  CHECK(filter.connections == 4);
}
