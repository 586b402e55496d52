// The coding of what the history keeps.
#include <catch2/catch.hpp>

#include "qmgr/history/history_record.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("numbers as ranges") {
  for (const auto& [numbers, text] :
       std::vector<std::pair<std::vector<std::uint32_t>, const char*>>{
           {{}, ""}, {{4}, "4"}, {{1, 2, 3}, "1-3"}, {{0, 2, 3, 9}, "0,2-3,9"}}) {
    CHECK(ranges_text(numbers) == text);
    CHECK(numbers_in(text) == numbers);
  }
  CHECK(numbers_in("1-2,x,5") == std::vector<std::uint32_t>{1, 2});  // a damaged row
  CHECK(numbers_in("5-1").empty());
  CHECK(numbers_in("0-4294967295").empty());
}
