// Whether an end of data leaves.
#include <catch2/catch.hpp>

#include <optional>

#include "common/smtp/client/word_gate.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace std::chrono_literals;

namespace {

BootTime at(Duration since_start) {
  return BootTime(since_start);
}

GatePage word_of(Duration sent) {
  return {LastWord{at(sent), 3s}, false};
}

GatePage fenced_after(Duration sent) {
  return {LastWord{at(sent), 3s}, true};
}

}  // namespace

TEST_CASE("G1: gate: open under a good word only") {
  struct Row {
    GatePage page;
    Duration now;
    Gate gate;
  };
  const Row rows[] = {
      {{std::nullopt, false}, 0ms, Gate::open},  // nobody shares the queue
      {{std::nullopt, true}, 0ms, Gate::fenced},
      {word_of(1000ms), 1000ms, Gate::open},
      {word_of(1000ms), 3999ms, Gate::open},
      {word_of(1000ms), 4000ms, Gate::shut},
      {word_of(1000ms), 60s, Gate::shut},
      {word_of(1000ms), 999ms, Gate::shut},  // a word from the future
      {{LastWord{at(1000ms), 0ms}, false}, 1000ms, Gate::shut},
      {fenced_after(1000ms), 1000ms, Gate::fenced},
  };
  for (const Row& row : rows) CHECK(gate(row.page, at(row.now)) == row.gate);
}

TEST_CASE("G2: gate: what an end of data does there") {
  struct Row {
    GatePage page;
    EndOfData end;
    Duration now;
    EndDecision decision;
  };
  const EndOfData plain{at(10s), false};
  const EndOfData asks{at(10s), true};
  const Row rows[] = {
      {word_of(9s), plain, 10s, EndDecision::leave},
      {word_of(7s), plain, 10s, EndDecision::wait},
      {word_of(7s), plain, 19'999ms, EndDecision::wait},
      {word_of(7s), plain, 20s, EndDecision::give_up},
      {word_of(19s), plain, 20s, EndDecision::leave},  // a word came at last
      {fenced_after(9s), plain, 10s, EndDecision::stop},
      {word_of(9s), asks, 10s, EndDecision::wait},  // good, but older than the question
      {word_of(10s), asks, 10'001ms, EndDecision::leave},
      {word_of(9s), asks, 20s, EndDecision::give_up},
      {{std::nullopt, false}, asks, 10s, EndDecision::leave},
  };
  for (const Row& row : rows) CHECK(decide_end(row.page, row.end, at(row.now)) == row.decision);
}
