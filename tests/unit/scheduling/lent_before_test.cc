// Whose late news are believed.
#include <catch2/catch.hpp>

#include "qmgr/verdicts/lent_before.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;

namespace {

using Indices = std::vector<std::uint32_t>;
const mail::QueueId kId{7};
const MonoTime kStart{100s};

LentBefore::News news(std::uint64_t peer, Pool pool = Pool::smtp, Duration later = 1s) {
  return {peer, pool, kStart, kStart + later};
}

Indices ended(LentBefore& lent, const LentBefore::News& who, Indices indices) {
  lent.keep_ended(who, kId, indices);
  return indices;
}
Indices running(LentBefore& lent, const LentBefore::News& who, Indices indices) {
  lent.keep_running(who, kId, indices);
  return indices;
}

}  // namespace

TEST_CASE("S5: late outcomes are believed for what was lent, once") {
  LentBefore lent;
  for (std::uint32_t index : {1U, 2U, 3U}) lent.add(kId, index, Pool::smtp);
  lent.add(kId, 9, Pool::lmtp);
  CHECK(ended(lent, news(1), {0, 1, 4, 1}) == Indices{1});  // never lent, and twice
  CHECK(ended(lent, news(1), {1}).empty());
  CHECK(ended(lent, news(1), {9}).empty());  // lent to the other kind
  CHECK(ended(lent, news(2, Pool::lmtp), {9, 2}) == Indices{9});
  LentBefore::News other = news(1);
  Indices indices{2};
  lent.keep_ended(other, mail::QueueId{8}, indices);
  CHECK(indices.empty());  // another message
  CHECK(lent.size() == 2);
}

TEST_CASE("S5: only in the first seconds of a connection, or what was named then") {
  LentBefore lent;
  for (std::uint32_t index : {1U, 2U}) lent.add(kId, index, Pool::smtp);
  CHECK(running(lent, news(1), {1, 5}) == Indices{1});
  Duration late = kLateNewsFor + 1s;
  CHECK(ended(lent, news(1, Pool::smtp, late), {2}).empty());
  CHECK(running(lent, news(1, Pool::smtp, late), {2}).empty());
  // Another agent tells nothing of what this one has.
  CHECK(ended(lent, news(2), {1}).empty());
  CHECK(running(lent, news(2), {1}).empty());
  CHECK(running(lent, news(1, Pool::smtp, late), {1}) == Indices{1});
  CHECK(ended(lent, news(1, Pool::smtp, late), {1}) == Indices{1});
  CHECK(lent.size() == 1);
}

TEST_CASE("S5: who comes back may go on; what is lent anew has its own outcome") {
  LentBefore lent;
  lent.add(kId, 1, Pool::smtp);
  lent.add(kId, 2, Pool::smtp);
  CHECK(running(lent, news(1), {1}) == Indices{1});
  lent.lost(1);
  CHECK(ended(lent, news(2), {1}) == Indices{1});
  lent.forget(kId, 2);
  CHECK(ended(lent, news(2), {2}).empty());
  CHECK(lent.empty());
}

TEST_CASE("S5: the list is bounded") {
  LentBefore lent;
  for (std::uint32_t i = 0; i <= kLentBeforeMax; ++i) lent.add(kId, i, Pool::smtp);
  CHECK(lent.size() <= kLentBeforeMax);
  CHECK(ended(lent, news(1), {static_cast<std::uint32_t>(kLentBeforeMax)}).size() == 1);
}
