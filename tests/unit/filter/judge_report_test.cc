// What is told of filters: to smtpd with a verdict, for the history, and to qmgr, for the metrics.
#include "tests/unit/filter/filter_rig.h"

#include "filter/milter/outside_filter.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

using Peer = PlayedFilter::Peer;

PlayedFilter::Script refuses_at(char where, const std::string& reply) {
  return [=](Peer& peer, char command, const std::string& got) {
    if (command == where)
      peer.say('y', reply + '\0');
    else
      PlayedFilter::agree(peer, command, got);
  };
}

config::Filter named(const std::string& name) {
  config::Filter out = all_granted();
  out.name = name;
  return out;
}

ipc::FilterJudgement accepted(std::uint32_t milliseconds) {
  ipc::FilterJudgement out;
  out.milliseconds = milliseconds;
  return out;
}

}  // namespace

TEST_CASE("a refused message brings what all filters have said so far") {
  Rig rig({all_granted(), all_granted(), all_granted()});
  rig.play("a", [](Peer& peer, char command, const std::string& got) {
    // It has made up its mind when it has heard the sender.
    if (command == 'M')
      peer.say('a');
    else
      PlayedFilter::agree(peer, command, got);
  });
  rig.play("b", refuses_at('T', "554 5.7.1 no"));
  rig.play("c");
  rig.greet();
  CHECK(rig.ask(FilterStage::mail, "<a@example.org>").judgements.empty());
  CHECK(rig.ask(FilterStage::rcpt, "<b@example.net>").judgements.empty());
  ipc::FilterAnswer said = rig.ask(FilterStage::data);
  CHECK(said.verdict == ipc::FilterVerdict::refuse);
  REQUIRE(said.judgements.size() == 2);
  CHECK(said.judgements[0].filter == "a");
  CHECK(said.judgements[0].stage == FilterStage::mail);
  CHECK(said.judgements[0].verdict == ipc::FilterVerdict::keep_going);
  CHECK(said.judgements[1].filter == "b");
  CHECK(said.judgements[1].stage == FilterStage::data);
  CHECK(said.judgements[1].text == "554 5.7.1 no");
}

TEST_CASE("a refused recipient or session has a judgement of its own, and once only") {
  char where = GENERATE('R', 'H', 'C');
  Rig rig;
  rig.play("a", refuses_at(where, "550 5.7.1 no"));
  rig.open();
  ipc::FilterAnswer said = rig.ask(FilterStage::connect);
  if (where != 'C') said = rig.ask(FilterStage::helo, "client.example");
  if (where == 'R') {
    rig.ask(FilterStage::mail, "<a@example.org>");
    said = rig.ask(FilterStage::rcpt, "<b@example.net>");
  }
  CHECK(said.verdict == ipc::FilterVerdict::refuse);
  REQUIRE(said.judgements.size() == 1);
  CHECK(said.judgements[0].filter == "a");
  CHECK(said.judgements[0].verdict == ipc::FilterVerdict::refuse);
  CHECK(said.judgements[0].text == "550 5.7.1 no");
}

TEST_CASE("a report has what is new since the one before") {
  OutsideFilter filter(named("rspamd"));
  CHECK(filter.has_news());  // that it is there
  CHECK(filter.report().name == "rspamd");
  CHECK_FALSE(filter.has_news());
  filter.count(accepted(3));
  filter.count(accepted(30));
  CHECK(filter.has_news());
  ipc::FilterState told = filter.report();
  REQUIRE(told.counts.stages.size() == 1);
  CHECK(told.counts.stages[0].words[static_cast<std::size_t>(ipc::FilterWord::accept)] == 2);
  CHECK(told.counts.stages[0].milliseconds == 33);
  CHECK_FALSE(filter.has_news());
  CHECK(filter.report().counts.is_empty());
}

TEST_CASE("a report tells since when a filter is not asked, and why") {
  OutsideFilter filter(named("rspamd"));
  MonoTime now = mono_now();
  CHECK(filter.report().breaker_since == 0);
  for (std::uint32_t i = 0; i < kFailuresToOpen; ++i) {
    filter.note_failure(ipc::FilterFailure::late, "no answer\r\nin time");
    filter.failed(now, Breaker::Leave::go);
  }
  filter.note_failure(ipc::FilterFailure::breaker, "not asked");
  ipc::FilterState open = filter.report();
  CHECK(open.breaker == ipc::FilterBreaker::open);
  CHECK(open.breaker_since > 0);
  CHECK(open.last_failure == ipc::FilterFailure::late);
  CHECK(open.last_failure_text.find('\n') == std::string::npos);
  CHECK(open.counts.failures[static_cast<std::size_t>(ipc::FilterFailure::late)] ==
        kFailuresToOpen);
  CHECK(open.counts.failures[static_cast<std::size_t>(ipc::FilterFailure::breaker)] == 1);
  // A trial that fails is no new beginning.
  REQUIRE(filter.breaker().ask(now + kFirstPause) == Breaker::Leave::trial);
  CHECK(filter.report().breaker == ipc::FilterBreaker::trying);
  filter.failed(now + kFirstPause, Breaker::Leave::trial);
  CHECK(filter.report().breaker_since == open.breaker_since);
  filter.succeeded();
  CHECK(filter.has_news());
  CHECK(filter.report().breaker == ipc::FilterBreaker::closed);
}
