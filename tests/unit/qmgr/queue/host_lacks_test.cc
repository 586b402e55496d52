// What hosts were found unable to do.
#include <catch2/catch.hpp>

#include "qmgr/destinations/host_lacks.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

TEST_CASE("F4: what hosts were found unable to do is shown by destination, for a day") {
  LackingHosts lacking;
  mail::AbilitySet set;
  set.add(mail::Ability::chunking);
  lacking.note("mx:a", {"h:25", set}, at(0));
  lacking.note("mx:b", {"i:25", set}, at(0));
  lacking.note("mx:a", {"none:25", {}}, at(0));
  lacking.note("mx:a", {std::string(1000, 'x'), set}, at(0));
  REQUIRE(lacking.of("mx:a", at(0)) == std::vector<mail::HostLacks>{{"h:25", set}});
  REQUIRE(lacking.of("mx:", at(0)).empty());
  REQUIRE(lacking.of("mx:a", at(0) + 25h).empty());
  for (std::size_t i = 0; i < kLackingHostsMax + 10; ++i)
    lacking.note("mx:c", {std::to_string(i), set}, at(0));
  REQUIRE(lacking.of("mx:c", at(0)).size() == kLackingHostsMax - 2);
  lacking.note("mx:d", {"new:25", set}, at(0) + 25h);  // the old ones make room
  REQUIRE(lacking.of("mx:d", at(0) + 25h).size() == 1);
}
