// Every order of events, up to some faults: nodes with the real Membership, lives and gate, around
// a model of their database. What is right stays right everywhere, and each deliberate mistake
// breaks a promise somewhere.
//
// POSTWAIN_CLUSTER_STATES sets how many states are looked at in each of the larger cases, and
// POSTWAIN_CLUSTER_STORIES has the story of each mistake printed (make cluster-model).
#include <catch2/catch.hpp>

#include <cstdlib>
#include <iostream>

#include "tests/cluster_model/explorer.h"

using namespace postwain;
using namespace postwain::cluster_model;

namespace {

struct Faults {
  unsigned crashes = 0, pauses = 0, freezes = 0, outages = 0, losses = 0, warnings = 0, cuts = 0,
           slow_beats = 0, refusals = 0;
};

Rules rules_of(const Faults& faults, unsigned nodes = 2, unsigned messages = 1) {
  Rules rules;
  rules.nodes = nodes;
  rules.messages = messages;
  rules.budget = {static_cast<Octet>(faults.crashes), static_cast<Octet>(faults.pauses),
                  static_cast<Octet>(faults.freezes), static_cast<Octet>(faults.outages),
                  static_cast<Octet>(faults.losses),  static_cast<Octet>(faults.warnings),
                  static_cast<Octet>(faults.cuts),    static_cast<Octet>(faults.slow_beats),
                  static_cast<Octet>(faults.refusals)};
  return rules;
}

std::uint64_t states_wanted(std::uint64_t otherwise) {
  const char* value = std::getenv("POSTWAIN_CLUSTER_STATES");
  return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
}

Finding look(const Rules& rules, std::uint64_t states) {
  Finding finding = explore(rules, {states});
  INFO(finding.story);
  INFO(name_of(finding.wrong));
  CHECK(finding.wrong == Wrong::nothing);
  return finding;
}

}  // namespace

TEST_CASE("one kind of fault at a time: no state breaks a promise") {
  struct Row {
    Faults faults;
    unsigned messages;
    bool first_has_all;
  };
  const Row rows[] = {
      {{}, 2, false},
      {{.crashes = 1}, 1, false},
      {{.pauses = 1}, 1, false},
      {{.freezes = 1}, 1, false},
      {{.outages = 1, .warnings = 1}, 1, false},
      {{.losses = 2}, 1, false},
      {{.cuts = 1}, 1, false},
      {{.slow_beats = 2}, 1, true},
  };
  std::uint64_t states = 0;
  for (const Row& row : rows) {
    Rules rules = rules_of(row.faults, 2, row.messages);
    rules.first_has_all = row.first_has_all;
    Finding finding = look(rules, 2'000'000);
    CHECK(finding.complete);
    states += finding.states;
  }
  CHECK(states > 1'000'000);
}

// A 451 whose batch was rolled back leaves nothing, and one in doubt, or none, a second copy at
// most that is a message of its own; the names that accepting has written mark what may be
// delivered.
TEST_CASE("mail that is accepted with its name, and sent again without a 250, breaks no promise") {
  struct Row {
    Faults faults;
    bool client_repeats;
  };
  const Row rows[] = {
      {{.crashes = 1}, false},
      {{.pauses = 1}, false},
      {{.losses = 1}, true},
      {{.refusals = 1}, true},
  };
  for (const Row& row : rows) {
    Rules rules = rules_of(row.faults, 2, row.client_repeats ? 2 : 1);
    rules.early_names = true;
    rules.client_repeats = row.client_repeats;
    Finding finding = look(rules, 1'000'000);
    CHECK(finding.complete);
    if (std::getenv("POSTWAIN_CLUSTER_STORIES") != nullptr)
      std::cout << finding.states << " states with early names, " << finding.depth << " deep\n";
  }
}

TEST_CASE("several faults at once: no state near the start breaks a promise") {
  struct Row {
    Faults faults;
    unsigned nodes;
    unsigned messages;
    bool accepts_named = false;  // and is asked again by who has heard no 250
  };
  const Row rows[] = {
      {{.crashes = 2, .pauses = 1, .outages = 1, .losses = 1, .warnings = 1}, 2, 2},
      {{.crashes = 1, .losses = 1, .slow_beats = 1}, 2, 1},
      {{.pauses = 1, .outages = 1}, 2, 1},
      {{.crashes = 2, .pauses = 1, .freezes = 1, .outages = 1}, 3, 1},
      {{.crashes = 1, .cuts = 1}, 3, 1},
      {{.pauses = 1, .losses = 1}, 2, 2, true},
      {{.crashes = 1, .outages = 1, .refusals = 1}, 2, 2, true},
  };
  for (const Row& row : rows) {
    Rules rules = rules_of(row.faults, row.nodes, row.messages);
    rules.early_names = rules.client_repeats = row.accepts_named;
    const std::uint64_t states = states_wanted(row.accepts_named ? 200'000 : 1'000'000);
    Finding finding = look(rules, states);
    if (std::getenv("POSTWAIN_CLUSTER_STORIES") != nullptr)
      std::cout << finding.states << " states of several faults, " << finding.depth << " deep\n";
    CHECK((finding.complete || finding.states >= states));
  }
}

TEST_CASE("each deliberate mistake breaks a promise") {
  struct Row {
    Mistake mistake;
    Faults faults;
    Wrong wrong;
    bool first_has_all = false;
  };
  const Row rows[] = {
      {Mistake::no_fence, {.crashes = 1}, Wrong::dead_settled},
      {Mistake::fence_without_lock, {.crashes = 1, .losses = 1}, Wrong::dead_settled},
      {Mistake::no_raise, {.crashes = 1, .losses = 1}, Wrong::twice_unmarked},
      {Mistake::adopt_before_fence, {.pauses = 1}, Wrong::foreign_write},
      {Mistake::names_unread, {.crashes = 1}, Wrong::twice_unmarked},
      {Mistake::lease_before_name, {.crashes = 1}, Wrong::twice_unmarked},
      {Mistake::gate_open, {.pauses = 1}, Wrong::late_end},
      {Mistake::word_from_answer, {.pauses = 1, .slow_beats = 1}, Wrong::late_end},
      {Mistake::word_outlives_silence, {.pauses = 1}, Wrong::late_end},
      {Mistake::silence_while_away, {.outages = 1}, Wrong::healthy_fenced},
      {Mistake::wall_clock, {}, Wrong::healthy_fenced},
      {Mistake::warning_ignored, {.outages = 1, .warnings = 1}, Wrong::lost},
      {Mistake::rollback_taken, {.freezes = 1}, Wrong::lost},
      {Mistake::early_250, {.crashes = 1}, Wrong::lost},
      {Mistake::asynchronous, {.outages = 1}, Wrong::lost},
      {Mistake::stale_rows, {.slow_beats = 1}, Wrong::foreign_write, true},
      {Mistake::former_term_only, {.crashes = 2}, Wrong::twice_unmarked},
      {Mistake::no_termination, {.pauses = 1}, Wrong::bag_rests},
      {Mistake::old_decisions, {.pauses = 1, .outages = 1}, Wrong::healthy_fenced},
      {Mistake::retake_by_count, {.losses = 2}, Wrong::ended_for_nothing},
      {Mistake::adoption_in_pieces, {.crashes = 1, .pauses = 1}, Wrong::bag_rests},
      {Mistake::late_termination, {.pauses = 1, .slow_beats = 1}, Wrong::bag_rests},
      {Mistake::doubt_taken_for_250, {.losses = 1}, Wrong::lost},
      {Mistake::doubt_taken_for_451, {.losses = 1}, Wrong::refused_and_kept},
      {Mistake::early_name_unsaid, {.crashes = 1}, Wrong::twice_unmarked},
      {Mistake::early_name_ended, {.crashes = 1}, Wrong::twice_unmarked},
  };
  STATIC_REQUIRE(std::size(rows) == kMistakes - 1);
  for (const Row& row : rows) {
    Rules rules = rules_of(row.faults);
    rules.first_has_all = row.first_has_all;
    rules.early_names = rules.client_repeats = row.mistake >= Mistake::doubt_taken_for_250;
    INFO(name_of(row.mistake));
    rules.mistake = row.mistake;
    Finding finding = explore(rules, {3'000'000});
    CHECK(name_of(finding.wrong) == name_of(row.wrong));
    CHECK_FALSE(finding.story.empty());
    if (std::getenv("POSTWAIN_CLUSTER_STORIES") == nullptr) continue;
    std::cout << name_of(row.mistake) << " → " << name_of(finding.wrong) << " (" << finding.states
              << " states)\n"
              << finding.story << "\n";
  }
}

TEST_CASE("a story is told in words") {
  Rules rules = rules_of({.outages = 1});
  rules.mistake = Mistake::asynchronous;
  Finding finding = explore(rules, {100'000});
  CHECK(finding.story.find("node A hears COMMIT for the batch that accepts message 1 into bag 1") !=
        std::string::npos);
  CHECK(finding.story.find("the database goes away; what was not answered is gone") !=
        std::string::npos);
}
