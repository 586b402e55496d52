// When a commit waits for others.
#include <catch2/catch.hpp>

#include "qmgr/store/group_commit.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

TEST_CASE("gathering waits only where somebody can still join") {
  REQUIRE(gathered_enough(1, 0));
  REQUIRE(gathered_enough(1, 1));
  REQUIRE_FALSE(gathered_enough(1, 2));
  REQUIRE_FALSE(gathered_enough(13, 20));
  REQUIRE(gathered_enough(14, 20));
  REQUIRE(gathered_enough(180, 100000));
}

TEST_CASE("commits pause only when the machine is behind with mail that could leave") {
  using std::chrono::microseconds;
  struct Row {
    const char* name;
    Pressure now;
    std::chrono::microseconds pause;
  };
  for (const Row& row : {
           Row{"nothing waits", {0, 20, 60}, microseconds(0)},
           Row{"others are slow, not we", {50000, 20, 14}, microseconds(0)},
           Row{"a lone session", {50000, 1, 60}, microseconds(0)},
           Row{"a little", {80, 20, 40}, microseconds(2000)},
           Row{"much", {350, 20, 40}, microseconds(20000)},
           Row{"more", {50000, 500, 40}, microseconds(20000)},
           Row{"few sessions wait less", {50000, 3, 40}, microseconds(3000)},
       }) {
    CAPTURE(row.name);
    REQUIRE(commit_pause(row.now) == row.pause);
  }
}
