#include "filter/body_store.h"

#include <catch2/catch.hpp>

#include <memory>
#include <vector>

using namespace postwain;
using namespace postwain::filter;

namespace {

std::string whole(const BodyStore& store) {
  std::string out;
  while (out.size() < store.size()) {
    auto piece = store.read(out.size(), 60'000);
    REQUIRE(piece.ok());
    REQUIRE_FALSE(piece->empty());
    out += *piece;
  }
  return out;
}

}  // namespace

TEST_CASE("bodies come back as they went in, side by side, in memory and in the file") {
  BodyRoom room;
  REQUIRE(room.file.open("/tmp").ok());
  std::vector<std::unique_ptr<BodyStore>> stores;
  std::vector<std::string> bodies(4);
  for (std::size_t i = 0; i < bodies.size(); ++i)
    stores.push_back(std::make_unique<BodyStore>(room));
  for (std::size_t turn = 0; turn < 60; ++turn)
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      std::string piece(i * 20'011, static_cast<char>('a' + (turn + i) % 26));
      bodies[i] += piece;
      REQUIRE(stores[i]->append(piece).ok());
    }
  for (std::size_t i = 0; i < bodies.size(); ++i) CHECK(whole(*stores[i]) == bodies[i]);
  CHECK(room.file.blocks_in_use() == 5 + 10 + 14);
  CHECK(room.in_memory == 0);
  stores.clear();
  CHECK(room.file.blocks_in_use() == 0);
}

TEST_CASE("bodies that find no room in memory go to the file, and without one fail") {
  BodyRoom room;
  room.in_memory = kBodiesInMemoryMax;
  BodyStore none(room);
  CHECK(none.append("").ok());
  CHECK_FALSE(none.append("x").ok());
  REQUIRE(room.file.open("/tmp").ok());
  BodyStore store(room);
  REQUIRE(store.append("x").ok());
  CHECK(room.file.blocks_in_use() == 1);
  CHECK(whole(store) == "x");
  CHECK_FALSE(ScratchFile().open("/nonexistent").ok());
}
