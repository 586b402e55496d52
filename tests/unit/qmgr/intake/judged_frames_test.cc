// What qmgr hears of filters: from smtpd with messages, and from the process `filter` about how
// they are. Malformed frames end their connection, and nobody makes qmgr keep more than its bounds.
#include <catch2/catch.hpp>

#include "common/ipc/filter_report.h"
#include "common/ipc/judgements.h"
#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::Role;

namespace {

std::string some_judgements() {
  ipc::FilterJudgement out;
  out.filter = "rspamd";
  out.text = "554 5.7.1 Spam";
  out.scores = {{"BAYES_SPAM", 5100}};
  return ipc::encode_judgements({out});
}

template <class Message>
std::string frame_of(const Message& message) {
  std::string out;
  REQUIRE(ipc::append_frame(out, message));
  return out;
}

// The first octets of its payload only, under a length that says so.
std::string cut(std::string frame, std::size_t payload) {
  frame.resize(6 + payload);
  for (std::size_t i = 0; i < 4; ++i) frame[i] = static_cast<char>((payload + 2) >> (8 * i) & 0xff);
  return frame;
}

ipc::Discarded discarded_message(const std::string& judgements, std::string_view header) {
  ipc::Discarded out;
  out.id = mail::QueueId::first_of(wall_now()).with_worker(5);
  out.envelope.recipients.push_back({mail::Address::from_text("v@x.test"), {}, {}});
  out.arrival.received_at = wall_now();
  out.filter = "rspamd";
  out.header = header;
  out.judgements = judgements;
  return out;
}

std::uint64_t submitted = 0;

bool is_refused(Rig& rig, Role role, const std::string& frame) {
  auto peer = rig.peer(role);
  peer->send_octets(frame);
  // Whoever is served still gets an answer to this.
  mail::Envelope envelope;
  envelope.reverse_path = mail::Address::from_text("a@b.test");
  envelope.recipients.push_back({mail::Address::from_text("v@x.test"), {}, {}});
  mail::QueueId id{mail::QueueId::first_of(wall_now()).with_worker(7).value | submitted++};
  peer->send(ipc::Submit{id,
                         0,
                         std::move(envelope),
                         {"ESMTP", "", "", "", wall_now()},
                         false,
                         "Subject: x\r\n\r\nhi\r\n"});
  bool ended =
      rig.until([&] { return peer->closed() || peer->count(ipc::FrameType::submit_result) > 0; });
  REQUIRE(ended);
  return peer->closed();
}

ipc::FilterReport report_of(const std::string& name) {
  ipc::FilterReport out;
  ipc::FilterState& one = out.filters.emplace_back();
  one.name = name;
  one.breaker = ipc::FilterBreaker::open;
  ipc::FilterJudgement said;
  said.verdict = ipc::FilterVerdict::refuse;
  one.counts.add(said);
  ++one.counts.failures[static_cast<std::size_t>(ipc::FilterFailure::late)];
  return out;
}

}  // namespace

TEST_CASE("frames of judgements, cut at every octet, end the connection of their smtpd") {
  Rig rig;
  std::string judgements = some_judgements();
  mail::QueueId id = mail::QueueId::first_of(wall_now()).with_worker(5);
  std::string judged = frame_of(ipc::Judged{id, judgements});
  CHECK_FALSE(is_refused(rig, Role::smtpd, judged));
  CHECK(is_refused(rig, Role::sendmail, judged));
  for (std::size_t n = 0; n < judged.size() - 6; ++n)
    CHECK(is_refused(rig, Role::smtpd, cut(judged, n)));
  CHECK(is_refused(rig, Role::smtpd, frame_of(ipc::Judged{id, "nonsense"})));
  std::string endless(ipc::kJudgementsMax + 1, '\1');
  CHECK(is_refused(rig, Role::smtpd, frame_of(ipc::Judged{id, endless})));
}

TEST_CASE("frames of discarded messages have bounds") {
  Rig rig;
  std::string judgements = some_judgements();
  std::string good = frame_of(discarded_message(judgements, "Subject: x\r\n\r\n"));
  CHECK_FALSE(is_refused(rig, Role::smtpd, good));
  CHECK(is_refused(rig, Role::sendmail, good));
  for (std::size_t n = 0; n < good.size() - 6; ++n)
    CHECK(is_refused(rig, Role::smtpd, cut(good, n)));
  std::string header(ipc::kDiscardedHeaderMax + 1, 'x');
  CHECK(is_refused(rig, Role::smtpd, frame_of(discarded_message(judgements, header))));
  ipc::Discarded nameless = discarded_message(judgements, "");
  nameless.filter.assign(ipc::kDiscarderMax + 1, 'f');
  CHECK(is_refused(rig, Role::smtpd, frame_of(nameless)));
  nameless = discarded_message("nonsense", "");
  CHECK(is_refused(rig, Role::smtpd, frame_of(nameless)));
}

TEST_CASE("the board knows the filters of the configuration and no others") {
  config::Config config;
  config.filters.emplace_back().name = "one";
  config.filters.emplace_back().name = "two";
  FilterBoard board;
  board.configure(config);
  REQUIRE(board.filters().size() == 2);
  CHECK_FALSE(board.is_connected());
  CHECK_FALSE(board.filters()[0].reported);
  board.connected();
  board.take(report_of("one"), true);
  board.take(report_of("three"), true);
  REQUIRE(board.filters().size() == 2);
  const KnownFilter& one = board.filters()[0];
  CHECK(one.reported);
  CHECK(one.state.breaker == ipc::FilterBreaker::open);
  CHECK(one.sums.words(ipc::FilterWord::refuse) == 1);
  CHECK(one.sums.failures[static_cast<std::size_t>(ipc::FilterFailure::late)] == 1);
  CHECK(one.sums.stages.at(ipc::FilterStage::end_of_message).waits[0] == 1);
  // Of the process that is about to end only the counts are of interest.
  ipc::FilterReport older = report_of("one");
  older.filters[0].breaker = ipc::FilterBreaker::closed;
  board.take(older, false);
  CHECK(one.state.breaker == ipc::FilterBreaker::open);
  CHECK(one.sums.words(ipc::FilterWord::refuse) == 2);
  // A reload keeps what is known of those that stay.
  config.filters.pop_back();
  config.strangers.wanted = true;
  board.configure(config);
  REQUIRE(board.filters().size() == 2);
  CHECK(board.filters()[0].state.name == "strangers");
  CHECK(board.filters()[1].sums.words(ipc::FilterWord::refuse) == 2);
}

TEST_CASE("the board knows the DNS lists of the configuration and no others") {
  config::Config config;
  config.strangers.wanted = true;
  config.strangers.lists.emplace_back().label = "zen";
  config.strangers.lists.emplace_back().label = "other";
  FilterBoard board;
  board.configure(config);
  REQUIRE(board.lists().size() == 2);
  ipc::FilterReport report;
  ipc::ListState& told = report.lists.emplace_back();
  told.label = "zen";
  told.standing = ipc::ListStanding::good;
  told.answers[static_cast<std::size_t>(ipc::ListVerdict::listed)] = 3;
  report.lists.push_back(told);
  report.lists.back().label = "unheard-of";
  board.take(report, true);
  const KnownList& zen = board.lists()[0];
  CHECK_FALSE(board.is_believed(zen));  // nobody is there who asks it
  board.connected();
  CHECK(board.is_believed(zen));
  CHECK_FALSE(board.is_known(board.lists()[1]));
  report.lists[0].standing = ipc::ListStanding::refused;
  board.take(report, false);
  CHECK(board.is_believed(zen));
  CHECK(zen.answers[static_cast<std::size_t>(ipc::ListVerdict::listed)] == 6);
  board.take(report, true);
  CHECK_FALSE(board.is_believed(zen));
  config.strangers.lists.pop_back();
  board.configure(config);
  REQUIRE(board.lists().size() == 1);
  CHECK(board.lists()[0].answers[static_cast<std::size_t>(ipc::ListVerdict::listed)] == 9);
}

TEST_CASE("a report of filters comes from the filter process, whole") {
  Rig rig;
  rig.config.filters.emplace_back().name = "one";
  rig.filter_board.configure(rig.config);
  auto filter = rig.peer(Role::filter);
  CHECK(rig.filter_board.is_connected());
  filter->send(report_of("one"));
  REQUIRE(rig.until([&] { return rig.filter_board.filters()[0].reported; }));
  std::string frame = frame_of(report_of("one"));
  filter->send_octets(cut(frame, frame.size() - 7));
  REQUIRE(rig.until([&] { return filter->closed(); }));
  REQUIRE(rig.until([&] { return !rig.filter_board.is_connected(); }));
  CHECK(is_refused(rig, Role::smtpd, frame));
  CHECK(rig.filter_board.filters()[0].sums.words(ipc::FilterWord::refuse) == 1);
}
