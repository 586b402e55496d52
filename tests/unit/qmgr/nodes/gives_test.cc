#include <catch2/catch.hpp>

#include "qmgr/nodes/gives.h"

using namespace postwain;
using namespace postwain::qmgr;
using cluster::BagNumber;
using cluster::Give;

namespace {

MonoTime at_ms(int ms) {
  return MonoTime(std::chrono::milliseconds(ms));
}

constexpr Give kFirst{BagNumber{3}, cluster::NodeNumber{1}};
constexpr Give kSecond{BagNumber{5}, cluster::NodeNumber{2}};
constexpr std::uint64_t kThree = 1U << 3;
constexpr std::uint64_t kFive = 1U << 5;

}  // namespace

TEST_CASE("a bag that is given away is announced, closed, and written when nothing of it is used") {
  Gives gives;
  gives.add(kFirst, at_ms(0));
  gives.add(kSecond, at_ms(500));
  CHECK(gives.all() == (kThree | kFive));
  CHECK(gives.closed() == 0);
  CHECK(gives.close_due(at_ms(2999), 0) == 0);
  CHECK(gives.take_ready(0).empty());
  CHECK(gives.close_due(at_ms(3000), 0) == kThree);
  CHECK(gives.close_due(at_ms(3500), 0) == kFive);
  CHECK(gives.close_due(at_ms(9000), 0) == 0);  // each once
  CHECK(gives.closed() == (kThree | kFive));
  CHECK(gives.take_ready(kThree) == std::vector<Give>{kSecond});
  CHECK(gives.take_ready(kThree).empty());
  CHECK(gives.take_ready(0) == std::vector<Give>{kFirst});
  gives.retry(kFirst.bag);
  CHECK(gives.take_ready(0) == std::vector<Give>{kFirst});
  gives.end(kFirst.bag);
  gives.end(kSecond.bag);
  CHECK(gives.empty());
}

TEST_CASE(
    "a bag with recipients in doubt is not closed, and given up after a minute like any other") {
  Gives gives;
  gives.add(kFirst, at_ms(0));
  gives.add(kSecond, at_ms(0));
  CHECK(gives.close_due(at_ms(5000), kThree) == kFive);
  CHECK(gives.take_late(at_ms(59'999)).empty());
  CHECK(gives.take_ready(0) == std::vector<Give>{kSecond});
  // What is being written has its answer before it long.
  CHECK(gives.take_late(at_ms(60'000)) == std::vector<Give>{kFirst});
  gives.retry(kSecond.bag);
  CHECK(gives.take_late(at_ms(60'001)) == std::vector<Give>{kSecond});
  CHECK(gives.empty());
}
