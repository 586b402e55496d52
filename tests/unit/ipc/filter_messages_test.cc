#include "common/ipc/filter_messages.h"

#include <random>

#include <catch2/catch.hpp>

#include "common/ipc/told_macros.h"

using namespace postwain;
using namespace postwain::ipc;

namespace {

template <class Message>
std::string coded_payload(const Message& message) {
  std::string bytes;
  REQUIRE(append_frame(bytes, message));
  Frame frame;
  REQUIRE(next_frame(bytes, frame) == FrameState::complete);
  REQUIRE(frame.type == Message::kType);
  return std::string(frame.payload);
}

// It survives, every cut of it is refused, and no flipped bit makes anybody read beyond its end.
template <class Message>
void come_through(const Message& message) {
  std::string payload = coded_payload(message);
  Message out;
  REQUIRE(decode(payload, out));
  REQUIRE(coded_payload(out) == payload);
  for (std::size_t cut = 0; cut < payload.size(); ++cut) {
    Message partial;
    REQUIRE_FALSE(decode(std::string_view(payload).substr(0, cut), partial));
  }
  Message longer;
  REQUIRE_FALSE(decode(payload + "x", longer));
  std::mt19937 random(43);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = payload;
    for (int flips = 0; flips < 3; ++flips)
      bad[random() % bad.size()] = static_cast<char>(random());
    Message ignored;
    (void)decode(bad, ignored);
  }
}

template <class Message>
bool decodes(const Message& message) {
  std::string payload = coded_payload(message);
  Message out;
  return decode(payload, out);
}

FilterEvent some_event() {
  FilterEvent event{
      7, 3, FilterStage::rcpt, true, false, false, true, "<b@example.org>", {"NOTIFY=NEVER"}, {}};
  event.macros = {{"i", "4K2"}, {"rcpt_addr", "b@example.org"}, {"tls_version", ""}};
  return event;
}

FilterResult some_result() {
  FilterResult result;
  result.session = 7;
  result.number = 9;
  result.verdict = FilterVerdict::keep_going;
  result.reply = {250, {2, 0, 0}, "ok"};
  result.filter = "one";
  result.hold = "looks odd";
  result.header_changed = true;
  result.section = "Subject: x\r\n";
  result.body_replaced = true;
  result.sender = FilterAddress{"<a@example.org>", "RET=HDRS"};
  result.recipients_added = {{"<c@example.org>", ""}, {"<d@example.org>", "NOTIFY=NEVER"}};
  result.recipients_removed = {"<b@example.org>"};
  result.judgements.push_back({"one",
                               FilterStage::end_of_message,
                               FilterVerdict::defer,
                               true,
                               "why",
                               184,
                               3,
                               1,
                               FilterFailure::late,
                               true,
                               17'200,
                               15'000,
                               {{"BAYES_HAM", -5'100}}});
  return result;
}

}  // namespace

TEST_CASE("frames between smtpd and filter survive coding and refuse every cut") {
  come_through(FilterSession{7, "in", FilterKind::submission, FilterSession::Family::ipv6,
                             "client.example", "2001:db8::1", 4321});
  come_through(some_event());
  come_through(FilterHeader{7, 1, "Received: x\r\nSubject: y\r\n"});
  come_through(FilterBody{7, "octets"});
  come_through(FilterAbort{7});
  come_through(FilterQuit{7});
  come_through(FilterWindow{7, 65536});
  come_through(FilterWants{{{"in", bit_of(FilterStage::rcpt), false}, {"out", 0, true}}});
  come_through(FilterAnswer{7, 3, FilterVerdict::refuse, {554, {5, 7, 1}, "no"}, "one"});
  come_through(FilterBodyPiece{7, "octets"});
  come_through(some_result());
}

TEST_CASE("what a filter's result says arrives") {
  std::string payload = coded_payload(some_result());
  FilterResult out;
  REQUIRE(decode(payload, out));
  CHECK(out.hold == "looks odd");
  CHECK(out.section == "Subject: x\r\n");
  CHECK(out.sender->arguments == "RET=HDRS");
  CHECK(out.recipients_added[1].address == "<d@example.org>");
  CHECK(out.judgements[0].failure == FilterFailure::late);
  CHECK(out.judgements[0].milliseconds == 184);
  CHECK(out.judgements[0].score == 17'200);
  REQUIRE(out.judgements[0].scores.size() == 1);
  CHECK(out.judgements[0].scores[0].thousandths == -5'100);
}

TEST_CASE("frames between smtpd and filter beyond a bound do not decode") {
  FilterEvent event = some_event();
  CHECK(decodes(event));
  event.text.assign(kFilterTextMax, 'x');
  CHECK(decodes(event));
  event.text += 'x';
  CHECK_FALSE(decodes(event));
  event = some_event();
  event.arguments.assign(kFilterArgumentsMax, "X=1");
  CHECK(decodes(event));
  event.arguments.emplace_back("X=1");
  CHECK_FALSE(decodes(event));
  event = some_event();
  event.arguments = {std::string(kFilterTextMax + 1, 'x')};
  CHECK_FALSE(decodes(event));
  event = some_event();
  event.macros.resize(kFilterMacrosMax + 1);
  CHECK_FALSE(decodes(event));

  std::string octets(kFilterPieceMax + 1, 'x');
  CHECK_FALSE(decodes(FilterBody{7, octets}));
  CHECK(decodes(FilterBody{7, std::string_view(octets).substr(1)}));
  CHECK_FALSE(decodes(FilterBodyPiece{7, octets}));
  std::string section(kFilterSectionMax + 1, 'x');
  CHECK_FALSE(decodes(FilterHeader{7, 0, section}));
  CHECK_FALSE(decodes(FilterWants{std::vector<FilterWants::Listener>(kFilterListenersMax + 1)}));

  FilterResult result = some_result();
  result.judgements[0].text.assign(kFilterJudgementTextMax + 1, 'x');
  CHECK_FALSE(decodes(result));
  result = some_result();
  result.judgements[0].scores.resize(kFilterScoresMax + 1);
  CHECK_FALSE(decodes(result));
  result = some_result();
  result.judgements[0].scores = {{std::string(kFilterScoreNameMax + 1, 'x'), 0}};
  CHECK_FALSE(decodes(result));
  result = some_result();
  result.judgements.resize(kFilterJudgementsMax + 1);
  CHECK_FALSE(decodes(result));
  result = some_result();
  result.recipients_removed.resize(kFilterRecipientsMax + 1);
  CHECK_FALSE(decodes(result));
  result = some_result();
  result.hold = std::string(kFilterTextMax + 1, 'x');
  CHECK_FALSE(decodes(result));
  result = some_result();
  result.reply.text.assign(kFilterTextMax + 1, 'x');
  CHECK_FALSE(decodes(result));
}

TEST_CASE("macros of what mail authentication finds are told where that is asked for") {
  for (ToldMacro macro : kResultMacros) {
    CHECK(is_told(name_of(macro), true));
    CHECK_FALSE(is_told(name_of(macro), false));
  }
  for (std::string_view name : {"j", "i", "auth_authen", "rcpt_host"}) {
    CHECK(is_told(name, true));
    CHECK(is_told(name, false));
  }
  CHECK_FALSE(is_told("load_avg", true));
}
