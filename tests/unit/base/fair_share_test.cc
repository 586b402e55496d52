#include "common/base/fair_share.h"

#include <catch2/catch.hpp>

using namespace postwain;

TEST_CASE("a share shrinks with the users, between its bounds") {
  constexpr SharedRoom kRoom{1000, 10, 100};
  CHECK(fair_share(kRoom, 0) == 100);
  CHECK(fair_share(kRoom, 1) == 100);
  CHECK(fair_share(kRoom, 10) == 100);
  CHECK(fair_share(kRoom, 20) == 50);
  CHECK(fair_share(kRoom, 100) == 10);
  CHECK(fair_share(kRoom, 1'000'000) == 10);
}
