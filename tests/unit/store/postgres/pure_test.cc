// The parts of the PostgreSQL engine that touch no server: what its codes mean, the form of its
// parameters, where a message lies.
#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "common/base/text.h"

#include "qmgr/store/postgres/session/batch_names.h"
#include "qmgr/store/postgres/session/pg_bags.h"
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

TEST_CASE("a message lies in the bag that its id names, whoever has it") {
  std::map<int, int> messages;
  for (std::uint64_t id = 1; id <= 64'000; ++id) ++messages[mail::QueueId{id << 12}.bag()];
  CHECK(messages.size() == 64);
  for (const auto& [bag, count] : messages) {
    CAPTURE(bag);
    CHECK(count > 800);
    CHECK(count < 1200);
  }
  PgBags bags(0b101);
  CHECK(list_of_bags(0) == BagList{});
  CHECK(list_of_bags(0b101) == BagList{0, 2});
  CHECK(list_of_bags(mail::kAllBags).size() == 64);
  CHECK(bags.scanned() == BagList{0, 2});
  bags.hide(0b100);
  CHECK(bags.scanned() == BagList{0});
  CHECK(bags.own() == 0b101);
  bags.look_only_at(0b1010);
  CHECK(bags.scanned() == BagList{1, 3});
  bags.look_only_at(std::nullopt);
  bags.hide(0);
  bags.set_own(std::uint64_t{1} << 63);
  CHECK(bags.scanned() == BagList{63});
}

// Whoever it was given to has died with it, and its former owner adopts it.
TEST_CASE("a bag that was hidden, given away and comes back is read again") {
  PgBags bags(0b111);
  bags.hide(0b110);
  bags.set_own(0b011);
  CHECK(bags.scanned() == BagList{0});
  bags.set_own(0b111);
  CHECK(bags.scanned() == BagList{0, 2});
}

namespace {

AttemptName attempt(std::uint64_t id, std::uint32_t index = 0) {
  return {mail::QueueId{id}, index};
}

}  // namespace

TEST_CASE("names of attempts have one form of twelve octets each") {
  const std::vector<AttemptName> two = {attempt(0x0102030405060708, 9), attempt(1, 0x01020304)};
  const std::string bytes = bytes_of(two);
  CHECK(hex_encode(bytes) ==
        "010203040506070800000009"
        "000000000000000101020304");
  CHECK(names_in(bytes) == two);
  CHECK(names_in("")->empty());
  CHECK_FALSE(names_in(bytes.substr(1)));
  CHECK_FALSE(names_in(std::string(12, '\0')));            // no message has the id 0
  CHECK_FALSE(names_in(std::string(8, '\xff') + "aaaa"));  // nor this
}

TEST_CASE("a batch's row goes with the transaction in which the last of its attempts ends") {
  BatchNames names;
  names.add(attempt(1));
  names.add(attempt(1, 1));
  names.add(attempt(2));
  CHECK_FALSE(names.has(7));  // not before the commit
  names.committed(7);
  CHECK(names.has(7));
  CHECK(names.size() == 3);
  names.add(attempt(3));
  CHECK(names.added() == bytes_of({attempt(3)}));
  names.committed(8);
  CHECK(names.added().empty());

  names.end_all(mail::QueueId{1});
  CHECK(names.emptied().empty());
  names.end(attempt(2));
  names.end(attempt(2));     // said twice
  names.end(attempt(3, 5));  // another recipient
  CHECK(names.emptied() == std::vector<std::int64_t>{7});
  names.rolled_back();
  CHECK(names.emptied().empty());
  CHECK(names.size() == 4);

  names.end(attempt(1));
  names.committed(9);
  CHECK(names.size() == 3);
  CHECK(names.has(7));
  names.end(attempt(1, 1));
  names.end(attempt(2));
  names.end(attempt(3));
  CHECK(names.emptied() == std::vector<std::int64_t>{7, 8});
  names.committed(10);
  CHECK(names.size() == 0);
  CHECK_FALSE(names.has(7));
}

TEST_CASE(
    "an attempt that is named again ends in both batches, and one that begins where it ends "
    "stays") {
  BatchNames names;
  names.add(attempt(1));
  names.committed(1);
  names.add(attempt(1));
  names.committed(2);
  names.end(attempt(1));
  names.add(attempt(1));  // lent again with the same commit
  CHECK(names.emptied() == std::vector<std::int64_t>{1, 2});
  names.committed(3);
  CHECK(names.size() == 1);
  CHECK(names.has(3));
  CHECK(names.any_in(std::uint64_t{1} << mail::QueueId{1}.bag()));
  CHECK_FALSE(names.any_in(~(std::uint64_t{1} << mail::QueueId{1}.bag())));
}

TEST_CASE(
    "what is named and ended in one transaction was never named, and the other order counts") {
  BatchNames names;
  names.add(attempt(1));
  names.add(attempt(2));
  names.add(attempt(2, 1));
  names.add(attempt(3));
  names.end(attempt(1));
  names.end_all(mail::QueueId{2});
  names.end(attempt(4));
  names.add(attempt(4));
  names.close(1);
  CHECK(names.added() == bytes_of({attempt(3), attempt(4)}));
  names.close(1);  // the same again
  CHECK(names.added() == bytes_of({attempt(3), attempt(4)}));
  names.committed(1);
  CHECK(names.size() == 2);
}

TEST_CASE("what is left of an old batch is carried into a new one, so that the rest is forgotten") {
  BatchNames names;
  for (std::uint64_t id = 1; id <= 4; ++id) names.add(attempt(id));
  names.committed(1);
  names.add(attempt(5));
  names.committed(2);  // all of it lasts: there is nothing to forget
  names.end(attempt(1));
  names.end(attempt(2));
  names.committed(3);
  names.close(kCarriedAfter);
  CHECK(names.added().empty());  // not old enough
  names.committed(kCarriedAfter);

  names.end(attempt(3));
  names.close(2 * kCarriedAfter);
  CHECK(names.added() == bytes_of({attempt(4)}));
  CHECK(names.emptied() == std::vector<std::int64_t>{1});
  names.rolled_back();
  CHECK(names.size() == 3);
  CHECK(names.has(1));

  names.end(attempt(3));
  names.close(2 * kCarriedAfter);
  names.committed(2 * kCarriedAfter);
  CHECK_FALSE(names.has(1));
  CHECK(names.has(2));
  CHECK(names.size() == 2);
  names.end(attempt(4));
  names.end(attempt(5));
  CHECK(names.emptied() == std::vector<std::int64_t>{2, 2 * kCarriedAfter});
  names.committed(2 * kCarriedAfter + 1);
  CHECK(names.size() == 0);
}
