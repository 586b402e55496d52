// The parts of the PostgreSQL engine that touch no server: what its codes mean, the form of its
// parameters, where a message lies.
#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "common/base/text.h"

#include "qmgr/store/postgres/session/bag_places.h"
#include "qmgr/store/postgres/session/pg_parameters.h"
#include "qmgr/store/postgres/session/sqlstate.h"

using namespace postwain;
using namespace postwain::qmgr;
using Kind = StoreError::Kind;

TEST_CASE("what PostgreSQL's codes mean for the queue") {
  struct {
    const char* code;
    Kind kind;
  } rows[] = {
      {"40001", Kind::again},   {"40P01", Kind::again},   {"40003", Kind::unsure},
      {"53100", Kind::full},    {"53200", Kind::away},    {"53300", Kind::away},
      {"57P01", Kind::away},    {"57014", Kind::away},    {"08006", Kind::away},
      {"25006", Kind::away},    {"25P03", Kind::away},    {"26000", Kind::away},
      {"28P01", Kind::away},    {"55P03", Kind::away},    {"22021", Kind::refused},
      {"22012", Kind::refused}, {"23514", Kind::refused}, {"23505", Kind::refused},
      {"54000", Kind::refused}, {"42P01", Kind::damaged}, {"42703", Kind::damaged},
      {"42501", Kind::broken},  {"XX001", Kind::damaged}, {"XX000", Kind::broken},
      {"58030", Kind::broken},  {"00000", Kind::broken},  {"", Kind::broken},
      {"4000", Kind::broken},   {"400011", Kind::broken},
  };
  for (const auto& row : rows) {
    CAPTURE(row.code);
    CHECK(kind_of_sqlstate(row.code) == row.kind);
  }
}

TEST_CASE("parameters have PostgreSQL's binary form") {
  PgArray numbers(PgArray::Element::int4);
  numbers.number(1);
  numbers.number(-2);
  numbers.number(std::int64_t{1} << 40);  // the nearest there is
  const std::string three = std::move(numbers).binary();
  CHECK(hex_encode(three) ==
        "0000000100000000"  // one dimension, no NULL
        "00000017"          // int4
        "0000000300000001"  // three, from 1
        "0000000400000001"
        "00000004fffffffe"
        "000000047fffffff");
  PgArray texts(PgArray::Element::bytea);
  texts.bytes(std::string_view("a\0", 2));
  texts.bytes("");
  const std::string two = std::move(texts).binary();
  CHECK(hex_encode(two) ==
        "0000000100000000000000110000000200000001"
        "000000026100"
        "00000000");
  CHECK(hex_encode(PgArray(PgArray::Element::int8).binary()) == "000000000000000000000014");
  PgParameters parameters;
  parameters.int2(-1).int4(7).int8(INT64_MIN).bytes("x").int2(70000);
  std::vector<std::string> hex;
  for (const std::string& one : parameters.values()) hex.push_back(hex_encode(one));
  CHECK(hex == std::vector<std::string>{"ffff", "00000007", "8000000000000000", "78", "7fff"});
}

TEST_CASE("a message is found in the bag where it was put, whatever bags are open later") {
  const BagList all = every_bag();
  REQUIRE(all.size() == 64);
  const BagList some = {3, 5, 8, 13};
  BagPlaces plain(all, {all}, all);
  CHECK(plain.is_plain());
  std::map<std::int16_t, int> filled;
  for (std::uint64_t i = 1; i <= 6400; ++i) {
    mail::QueueId id{i << 12};
    ++filled[plain.for_new(id)];
    CHECK(plain.candidates(id) == BagList{plain.for_new(id)});
  }
  REQUIRE(filled.size() == 64);
  for (const auto& [bag, count] : filled) CHECK((count > 50 && count < 160));

  BagPlaces later(some, {all, some}, all);
  CHECK_FALSE(later.is_plain());
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    BagList where = later.candidates(mail::QueueId{i});
    CHECK(where.front() == later.for_new(mail::QueueId{i}));
    CHECK(std::count(where.begin(), where.end(), plain.for_new(mail::QueueId{i})) == 1);
    CHECK(where.size() <= 2);
  }
  // Too many sets to look at each: every bag is looked at once.
  std::vector<BagList> many;
  for (std::int16_t i = 0; i < 9; ++i) many.push_back({i});
  BagList everywhere = BagPlaces(some, many, all).candidates(mail::QueueId{77});
  CHECK(std::set<std::int16_t>(everywhere.begin(), everywhere.end()).size() == 64);
  CHECK(everywhere.size() == 64);
}

TEST_CASE("sets of bags are kept as octets") {
  CHECK(bags_of(bytes_of(every_bag())) == every_bag());
  CHECK_FALSE(bags_of("\x40").has_value());
  CHECK_FALSE(bags_of("\xff").has_value());
  CHECK(bags_of("")->empty());
}
