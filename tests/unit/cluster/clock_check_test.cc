// Whether a node's wall clock may be believed.
#include <catch2/catch.hpp>

#include "qmgr/cluster/clock_check.h"

using namespace postwain;
using namespace postwain::qmgr::cluster;

TEST_CASE("a clock is right, differs, or is wrong, whichever way") {
  struct Row {
    int milliseconds;
    ClockStanding standing;
  };
  for (const Row& row : {Row{0, ClockStanding::right}, Row{2000, ClockStanding::right},
                         Row{2001, ClockStanding::differs}, Row{30'000, ClockStanding::differs},
                         Row{30'001, ClockStanding::wrong}, Row{3'600'000, ClockStanding::wrong}}) {
    CAPTURE(row.milliseconds);
    CHECK(judge_clock(Duration(row.milliseconds)) == row.standing);
    CHECK(judge_clock(Duration(-row.milliseconds)) == row.standing);
  }
}

TEST_CASE("what the way of an answer may have taken is no difference of clocks") {
  auto at = [](int ms) { return from_unix_ms(1'000'000 + ms); };
  CHECK(clock_difference(at(0), at(0), at(0)) == Duration(0));
  CHECK(clock_difference(at(0), at(4000), at(5000)) == Duration(0));
  CHECK(clock_difference(at(0), at(7000), at(5000)) == Duration(-2000));
  CHECK(clock_difference(at(0), at(-3000), at(5000)) == Duration(3000));
}
