// That the four lives go their ways and no others.
#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

#include "qmgr/cluster/lives.h"
#include "tests/unit/cluster/cluster_support.h"

using namespace postwain;
using namespace postwain::qmgr::cluster;
using namespace postwain::test;

namespace {

// Runs events; the last state, or -1 where one was not expected.
template <class State, class Event>
int run(State state, std::initializer_list<Event> events) {
  for (Event event : events) {
    auto step = next(state, event);
    if (!step.expected) return -1;
    state = step.state;
  }
  return static_cast<int>(state);
}

template <class State>
int is(State state) {
  return static_cast<int>(state);
}

// Every state with every event; how many are expected. None leads out of `last`.
template <class State, class Event>
unsigned count_expected(State last_state, Event last_event) {
  unsigned expected = 0;
  for (int s = 0; s <= static_cast<int>(last_state); ++s)
    for (int e = 0; e <= static_cast<int>(last_event); ++e) {
      auto step = next(static_cast<State>(s), static_cast<Event>(e));
      CHECK(static_cast<int>(step.state) <= static_cast<int>(last_state));
      if (!step.expected) CHECK(static_cast<int>(step.state) == s);
      if (!step.expected) CHECK(static_cast<int>(step.action) == 0);
      if (step.expected) ++expected;
    }
  return expected;
}

}  // namespace

TEST_CASE("L1: lives: every state has an answer to every event") {
  CHECK(count_expected(NodeLife::fenced, NodeEvent::fence_met) == 18);
  CHECK(count_expected(BagLife::giving, BagEvent::became_foreign) == 12);
  CHECK(count_expected(AttemptLife::settled, AttemptEvent::settle_refused) == 8);
  CHECK(count_expected(BatchLife::fenced, BatchEvent::retake_lost) == 19);
}

TEST_CASE("L2: lives: a batch in doubt is settled by raising the token first") {
  using B = BatchLife;
  using E = BatchEvent;
  CHECK(run(B::built, {E::sent, E::commit_tag}) == is(B::committed));
  CHECK(run(B::built, {E::sent, E::error}) == is(B::refused));
  CHECK(run(B::built, {E::sent, E::rollback_tag}) == is(B::refused));
  CHECK(run(B::built, {E::sent, E::fence_failed}) == is(B::fenced));
  for (E doubt : {E::connection_lost, E::silent, E::commit_warned}) {
    CHECK(run(B::built, {E::sent, doubt}) == is(B::in_doubt));
    CHECK(next(B::sent, doubt).action == BatchAction::retake);
    CHECK(run(B::built, {E::sent, doubt, E::sent}) == -1);  // never again without the raise
    CHECK(run(B::built, {E::sent, doubt, E::retake_found}) == -1);
    CHECK(run(B::built, {E::sent, doubt, E::retake_sent, E::retake_found}) == is(B::committed));
    CHECK(run(B::built, {E::sent, doubt, E::retake_sent, E::retake_missing, E::sent}) ==
          is(B::sent));
    CHECK(run(B::built, {E::sent, doubt, E::retake_sent, E::retake_no_row}) == is(B::fenced));
    CHECK(run(B::built, {E::sent, doubt, E::retake_sent, E::retake_lost, E::retake_sent}) ==
          is(B::retaking));
  }
  // An answer that comes after all says nothing any more.
  CHECK(run(B::built, {E::sent, E::silent, E::commit_tag}) == -1);
  CHECK(next(B::in_doubt, E::commit_tag).state == B::in_doubt);
}

TEST_CASE("L3: lives: nothing is lent of a bag whose doubts are unread, or that goes") {
  using B = BagLife;
  using E = BagEvent;
  CHECK(run(B::foreign, {E::became_own}) == is(B::unread));
  CHECK(run(B::foreign, {E::became_own, E::doubts_marked}) == is(B::open));
  CHECK(run(B::foreign, {E::doubts_marked}) == -1);
  CHECK(run(B::foreign, {E::became_own, E::give_decided}) == -1);  // first what it has to do
  CHECK(run(B::open, {E::give_decided, E::give_abandoned}) == is(B::open));
  CHECK(run(B::open, {E::give_decided, E::became_foreign}) == is(B::foreign));
  CHECK(run(B::open, {E::became_foreign, E::became_own}) == is(B::unread));
  CHECK(may_lend(B::open));
  for (B other : {B::foreign, B::unread, B::giving}) CHECK_FALSE(may_lend(other));
}

TEST_CASE(
    "L4: lives: an attempt is named before it is lent, and a node comes back by a word only") {
  using A = AttemptLife;
  using E = AttemptEvent;
  CHECK(run(A::picked, {E::name_sent, E::name_committed, E::lease_sent, E::outcome_came,
                        E::settle_sent, E::settle_committed}) == is(A::settled));
  CHECK(run(A::picked, {E::lease_sent}) == -1);
  CHECK(run(A::picked, {E::name_sent, E::lease_sent}) == -1);
  CHECK(run(A::picked, {E::name_sent, E::name_refused}) == is(A::picked));
  CHECK(run(A::settling, {E::settle_refused}) == is(A::ended));

  using N = NodeLife;
  using M = NodeEvent;
  CHECK(run(N::out, {M::registration_sent, M::registered, M::word_too_old}) == is(N::unsure));
  CHECK(run(N::unsure, {M::word_came}) == is(N::live));
  CHECK(run(N::unsure, {M::fence_met}) == is(N::fenced));
  CHECK(run(N::fenced, {M::word_came}) == -1);
  CHECK(next(N::registering, M::registration_refused).action == NodeAction::refuse_start);
  CHECK(run(N::live, {M::drain_wanted, M::word_too_old, M::drained}) == is(N::out));
}

TEST_CASE("V1: values: what stands in rows is checked, and tokens say their term") {
  CHECK(node_number(31) == NodeNumber{31});
  CHECK(bag_number(63) == BagNumber{63});
  for (std::int64_t wrong : {std::int64_t{-1}, std::int64_t{64}, INT64_MIN, INT64_MAX}) {
    CHECK_FALSE(node_number(wrong).has_value());
    CHECK_FALSE(bag_number(wrong).has_value());
    CHECK_FALSE(node_state(wrong).has_value());
  }
  CHECK_FALSE(node_number(32).has_value());
  CHECK_FALSE(node_state(3).has_value());

  Token token = first_token(Term{5});
  CHECK(belongs_to(token, Term{5}));
  CHECK(belongs_to(Token{token.value + 1000}, Term{5}));
  CHECK_FALSE(belongs_to(first_token(Term{6}), Term{5}));
  CHECK_FALSE(belongs_to(Token{token.value - 1}, Term{5}));

  BagSet set = bags({0, 5, 63});
  std::vector<unsigned> seen;
  set.for_each([&](BagNumber b) { seen.push_back(b.value); });
  CHECK(seen == std::vector<unsigned>{0, 5, 63});
  CHECK(set.without(bags({5})) == bags({0, 63}));
  CHECK(set.size() == 3);
}
