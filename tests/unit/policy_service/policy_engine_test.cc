// What policy services are asked and what they answer, bounded and cut at every octet.
#include <catch2/catch.hpp>

#include "common/policy_service/policy_engine.h"

using namespace postwain;
using namespace postwain::policy_service;

namespace {

std::string text_of(const std::optional<Answer>& answer) {
  if (!answer) return "failure";
  std::string out(name_of(answer->action));
  if (answer->reply.code != 0) out += " " + answer->reply.one_line();
  if (!answer->field_name.empty()) out += " " + answer->field_name + ":";
  return answer->text.empty() ? out : out + " " + answer->text;
}

// Everything the engine says of these octets, in pieces of that length.
std::string heard(std::string_view octets, std::size_t piece) {
  PolicyEngine engine;
  engine.ask("request=smtpd_access_policy\n\n");
  for (std::size_t at = 0; at < octets.size(); at += piece)
    if (!engine.receive(octets.substr(at, piece))) return "failure: " + engine.failure();
  if (engine.is_waiting()) return "waiting";
  return text_of(engine.take_answer());
}

}  // namespace

TEST_CASE("actions of policy services") {
  struct Case {
    std::string action;
    std::string read;
  };
  const Case cases[] = {
      {"DUNNO", "none"},
      {"", "none"},
      {"  ", "none"},
      {"dunno whatever", "none whatever"},
      {"OK", "permit"},
      {"RELAY", "permit"},
      {"ok fine", "permit fine"},
      {"1234567890", "permit"},
      {"550", "permit"},  // as Postfix reads a bare number
      {"REJECT", "refuse 554 5.7.1"},
      {"REJECT no thanks", "refuse 554 5.7.1 no thanks"},
      {"reject 5.1.1 nobody", "refuse 554 5.1.1 nobody"},
      {"REJECT 4.1.1 nobody", "refuse 554 5.7.1 nobody"},
      {"REJECT\tnobody", "refuse 554 5.7.1 nobody"},
      {"DEFER", "defer 450 4.7.1"},
      {"DEFER later", "defer 450 4.7.1 later"},
      {"550 5.7.1 no", "refuse 550 5.7.1 no"},
      {"521 5.7.1 go away", "refuse 521 5.7.1 go away"},
      {"451 later", "defer 451 4.7.1 later"},
      {"451 5.7.1 later", "defer 451 4.7.1 later"},
      {"421 enough", "hang_up 421 4.7.0 enough"},
      {"HANGUP", "hang_up 421 4.7.0"},
      {"560 no such code", "failure"},
      {"250 fine", "failure"},
      {"55 no", "failure"},
      {"5500 no", "failure"},
      {"DEFER_IF_PERMIT Greylisted", "defer_if_permit 450 4.7.1 Greylisted"},
      {"DEFER_IF_REJECT perhaps", "defer_if_reject 450 4.7.1 perhaps"},
      {"HOLD", "hold"},
      {"HOLD for a look", "hold for a look"},
      {"DISCARD junk", "discard junk"},
      {"REDIRECT a@example.org", "redirect a@example.org"},
      {"REDIRECT <a@example.org>", "redirect a@example.org"},
      {"REDIRECT nobody", "mistake REDIRECT without an address"},
      {"REDIRECT", "mistake REDIRECT without an address"},
      {"BCC copy@example.org", "blind_copy copy@example.org"},
      {"BCC", "mistake BCC without an address"},
      {"PREPEND X-Greylist: delayed 300 seconds", "prepend X-Greylist: delayed 300 seconds"},
      {"PREPEND X-A:", "prepend X-A:"},
      {"PREPEND X-A : b", "prepend X-A: b"},
      {"PREPEND X A: b", "mistake PREPEND without a header field"},
      {"PREPEND : b", "mistake PREPEND without a header field"},
      {"PREPEND nothing", "mistake PREPEND without a header field"},
      {"PREPEND X-A: a\rX-B: b", "prepend X-A: aX-B: b"},
      {"INFO seen", "remark seen"},
      {"WARN careful", "remark careful"},
      {"FILTER smtp:[127.0.0.1]:10025", "mistake FILTER: a message cannot be given another route"},
      {"REJECTED", "failure"},
      {"permit_mynetworks", "failure"},
      {"\xff\xfe", "failure"},
      {std::string("REJECT a\0b", 10), "refuse 554 5.7.1 ab"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.action);
    CHECK(text_of(read_action(one.action)) == one.read);
  }
}

TEST_CASE("texts of actions are bounded") {
  CHECK(read_action("REJECT " + std::string(9000, 'x'))->reply.text.size() == kAnswerTextMax);
  CHECK(read_action("HOLD " + std::string(9000, 'x'))->text.size() == kAnswerTextMax);
  CHECK(read_action("PREPEND X: " + std::string(9000, 'x'))->action == Action::mistake);
  CHECK(read_action("BCC " + std::string(600, 'x') + "@x")->action == Action::mistake);
}

TEST_CASE("an answer, cut at every octet") {
  struct Case {
    std::string octets;
    std::string said;
  };
  const Case cases[] = {
      {"action=DUNNO\n\n", "none"},
      {"action=550 5.7.1 no\r\n\r\n", "refuse 550 5.7.1 no"},
      {"x=y\naction=REJECT a=b\nz=\n\n", "refuse 554 5.7.1 a=b"},
      {"action=\n\n", "none"},
      {"action=DUNNO\n", "waiting"},
      {"action=DUN", "waiting"},
      {"", "waiting"},
      {"\n", "failure: its answer has no action"},
      {"x=y\n\n", "failure: its answer has no action"},
      {"hello\n\n", "failure: its answer is not made of name=value"},
      {"action=OK\naction=REJECT\n\n", "failure: its answer has two actions"},
      {"action=OK\n\naction=REJECT\n\n", "failure: it says something that nobody asked for"},
      {"action=NONSENSE\n\n", "failure: its action is none: NONSENSE"},
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "failure: its answer is not made of name=value"},
      {"action=" + std::string(40'000, 'x'), "failure: its answer is too long"},
  };
  for (const Case& one : cases)
    for (std::size_t piece = 1; piece <= one.octets.size() + 1; piece += piece > 40 ? 9999 : 1) {
      CAPTURE(one.octets.substr(0, 100), piece);
      CHECK(heard(one.octets, piece) == one.said);
    }
}

TEST_CASE("one question after another on one connection") {
  PolicyEngine engine;
  for (int i = 0; i < 3; ++i) {
    engine.ask(Question().add("request", "smtpd_access_policy").add("size", 17).finish());
    CHECK(engine.is_waiting());
    CHECK(engine.take_output() == "request=smtpd_access_policy\nsize=17\n\n");
    CHECK_FALSE(engine.has_begun());
    REQUIRE(engine.receive("action=OK\n"));
    CHECK(engine.has_begun());
    CHECK_FALSE(engine.take_answer());
    REQUIRE(engine.receive("\n"));
    CHECK_FALSE(engine.is_waiting());
    CHECK(engine.take_answer()->action == Action::permit);
    CHECK_FALSE(engine.take_answer());
  }
  CHECK_FALSE(engine.receive("x"));
  CHECK_FALSE(engine.failure().empty());
}

TEST_CASE("what is asked stays within its lines") {
  std::string lines = Question().add("sender", "a\nrecipient=b\r@x\x7f\t").finish();
  CHECK(lines == "sender=a?recipient=b?@x??\n\n");
  CHECK(Question().add("helo_name", std::string(9000, 'x')).finish().size() ==
        std::string("helo_name=").size() + kAttributeMax + 2);
}
