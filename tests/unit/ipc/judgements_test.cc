// What filters said of a message, coded for the history: it comes back as it was, has a bound, and
// no octets that are something else make anything of it.
#include <catch2/catch.hpp>

#include "common/ipc/filter_report.h"
#include "common/ipc/judgements.h"

using namespace postwain;
using namespace postwain::ipc;

namespace {

FilterJudgement spam() {
  FilterJudgement out;
  out.filter = "rspamd";
  out.verdict = FilterVerdict::refuse;
  out.text = "554 5.7.1 Spam";
  out.milliseconds = 184;
  out.edits = 3;
  out.edited = {.headers = 1, .recipients = 1, .body = true, .sender = false};
  out.edits_not_allowed = 1;
  out.score = 17'200;
  out.score_limit = 15'000;
  out.scores = {{"BAYES_SPAM", 5100}, {"GOOD", -500}};
  return out;
}

}  // namespace

TEST_CASE("judgements come back as they were", "[judgements]") {
  FilterJudgement failed;
  failed.filter = "clamav";
  failed.stage = FilterStage::mail;
  failed.verdict = FilterVerdict::defer;
  failed.failure = FilterFailure::late;
  failed.hold = true;
  failed.watch = true;
  std::string octets = encode_judgements({spam(), failed});
  auto back = decode_judgements(octets);
  REQUIRE(back);
  CHECK(!back->cut);
  REQUIRE(back->list.size() == 2);
  const FilterJudgement& first = back->list[0];
  CHECK(first.filter == "rspamd");
  CHECK(first.verdict == FilterVerdict::refuse);
  CHECK(first.text == "554 5.7.1 Spam");
  CHECK(first.milliseconds == 184);
  CHECK(first.edits == 3);
  CHECK(first.edited.headers == 1);
  CHECK(first.edited.recipients == 1);
  CHECK(first.edited.body);
  CHECK(!first.edited.sender);
  CHECK(first.edits_not_allowed == 1);
  CHECK(first.score == 17'200);
  REQUIRE(first.scores.size() == 2);
  CHECK(first.scores[1].name == "GOOD");
  CHECK(first.scores[1].thousandths == -500);
  const FilterJudgement& second = back->list[1];
  CHECK(second.stage == FilterStage::mail);
  CHECK(second.failure == FilterFailure::late);
  CHECK(second.hold);
  CHECK(second.watch);
  CHECK(encode_judgements({}).empty());
  CHECK(decode_judgements("")->list.empty());
}

TEST_CASE("judgements are cut at their bound, scores first, and that is marked", "[judgements]") {
  FilterJudgement wordy = spam();
  wordy.text.assign(kFilterJudgementTextMax, 't');
  wordy.scores.assign(kFilterScoresMax, {std::string(kFilterScoreNameMax, 's'), 1});
  for (std::size_t count : {1U, 3U, 10U, 32U, 200U}) {
    std::string octets = encode_judgements(std::vector<FilterJudgement>(count, wordy));
    CHECK(octets.size() <= kJudgementsMax);
    auto back = decode_judgements(octets);
    REQUIRE(back);
    CHECK(back->cut == (count > 1));
    CHECK(back->list.size() == std::min<std::size_t>(count, back->list.size()));
    if (count <= 32) CHECK(back->list.size() == count);
    if (count == 3) CHECK(back->list[0].scores.size() == 5);
    if (count == 3) CHECK(back->list[0].text == wordy.text);
  }
}

TEST_CASE("texts of filters do no harm in the history", "[judgements]") {
  FilterJudgement odd = spam();
  odd.filter.assign(1000, 'f');
  odd.text = std::string("a\r\nb\0c", 6) + std::string(1000, 'x');
  odd.scores.assign(100, {"a\nb", 1});
  auto back = decode_judgements(encode_judgements({odd}));
  REQUIRE(back);
  CHECK(back->list[0].filter.size() == 64);
  CHECK(back->list[0].text.substr(0, 7) == "a??b?cx");
  CHECK(back->list[0].text.size() == kFilterJudgementTextMax);
  CHECK(back->list[0].scores.size() == kFilterScoresMax);
  CHECK(back->list[0].scores[0].name == "a?b");
}

TEST_CASE("other octets are no judgements", "[judgements]") {
  std::string good = encode_judgements({spam()});
  for (std::size_t size = 1; size < good.size(); ++size)
    CHECK(!decode_judgements(good.substr(0, size)));
  CHECK(!decode_judgements(good + "x"));
  std::string newer = good;
  newer[0] = 2;
  CHECK(!decode_judgements(newer));
  CHECK(!decode_judgements(std::string(kJudgementsMax + 1, '\1')));
  // Whatever a flipped bit makes of it, nothing is beyond its bound.
  for (std::size_t i = 0; i < good.size() * 8; ++i) {
    std::string flipped = good;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    if (auto back = decode_judgements(flipped))
      for (const FilterJudgement& one : back->list) {
        CHECK(one.text.size() <= kFilterJudgementTextMax);
        CHECK(one.scores.size() <= kFilterScoresMax);
      }
  }
}

TEST_CASE("a report of filters comes back, and has bounds", "[filter_report]") {
  FilterReport report;
  FilterState& one = report.filters.emplace_back();
  one.name = "rspamd";
  one.breaker = FilterBreaker::open;
  one.breaker_since = 5;
  one.last_failure = FilterFailure::late;
  one.last_failure_text = "slow";
  FilterJudgement said = spam();
  said.milliseconds = 30;
  one.counts.add(said);
  said.milliseconds = 999'999;
  said.failure = FilterFailure::late;
  one.counts.add(said);
  said.stage = FilterStage::rcpt;
  said.milliseconds = 0;
  one.counts.add(said);
  CHECK(!one.counts.is_empty());
  std::string frame;
  REQUIRE(append_frame(frame, report));
  FilterReport back;
  REQUIRE(decode(std::string_view(frame).substr(6), back));
  REQUIRE(back.filters.size() == 1);
  CHECK(back.filters[0].breaker == FilterBreaker::open);
  REQUIRE(back.filters[0].counts.stages.size() == 2);
  const FilterStageCounts& waits = back.filters[0].counts.stages[0];
  CHECK(waits.words[static_cast<std::size_t>(FilterWord::refuse)] == 1);  // failures count apart
  CHECK(waits.milliseconds == 1'000'029);
  CHECK(waits.waits[4] == 1);      // up to 0.05 s
  CHECK(waits.waits.back() == 1);  // beyond all
  CHECK(back.lists.empty());
  CHECK(back.authentication == AuthenticationCounts{});
  report.authentication.add_result(AuthenticationMethod::dmarc, "fail");
  report.authentication.add_result(AuthenticationMethod::dmarc, "a word that is none of them");
  report.authentication.add_end(AuthenticationCause::dmarc, AuthenticationEnd::refuse);
  frame.clear();
  REQUIRE(append_frame(frame, report));
  REQUIRE(decode(std::string_view(frame).substr(6), back));
  CHECK(back.authentication == report.authentication);
  AuthenticationSums sums;
  sums.add(back.authentication);
  sums.add(back.authentication);
  CHECK(sums.results[static_cast<std::size_t>(AuthenticationMethod::dmarc)][1] == 2);
  CHECK(sums.ends[static_cast<std::size_t>(AuthenticationCause::dmarc)]
                 [static_cast<std::size_t>(AuthenticationEnd::refuse)] == 2);
  report.filters.resize(kReportedFiltersMax + 1);
  frame.clear();
  REQUIRE(append_frame(frame, report));
  CHECK(!decode(std::string_view(frame).substr(6), back));
  report.filters.resize(1);
  report.filters[0].name.assign(kReportedNameMax + 1, 'n');
  frame.clear();
  REQUIRE(append_frame(frame, report));
  CHECK(!decode(std::string_view(frame).substr(6), back));
}

TEST_CASE("a report of DNS lists comes back, and has bounds", "[filter_report]") {
  FilterReport report;
  ListState& one = report.lists.emplace_back();
  one.label = "zen";
  one.standing = ListStanding::silent;
  one.testing = true;
  one.since = 5;
  one.next_test = -6;
  one.answers[static_cast<std::size_t>(ListVerdict::listed)] = 7;
  auto comes_back = [&](FilterReport& back) {
    std::string frame;
    REQUIRE(append_frame(frame, report));
    return decode(std::string_view(frame).substr(6), back);
  };
  FilterReport back;
  REQUIRE(comes_back(back));
  REQUIRE(back.lists.size() == 1);
  CHECK(back.lists[0].label == "zen");
  CHECK(back.lists[0].standing == ListStanding::silent);
  CHECK(back.lists[0].testing);
  CHECK(back.lists[0].since == 5);
  CHECK(back.lists[0].next_test == -6);
  CHECK(back.lists[0].answers == one.answers);
  one.standing = static_cast<ListStanding>(7);
  CHECK_FALSE(comes_back(back));
  one.standing = ListStanding::good;
  one.label.assign(kListLabelMax + 1, 'l');
  CHECK_FALSE(comes_back(back));
  report.lists.assign(kReportedListsMax, ListState{});
  CHECK(comes_back(back));
  report.lists.assign(kReportedListsMax + 1, ListState{});
  CHECK_FALSE(comes_back(back));
}
