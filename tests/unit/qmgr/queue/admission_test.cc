// What may still begin when the disk is full.
#include <catch2/catch.hpp>

#include "qmgr/disk/ballast.h"
#include "qmgr/queue/admission.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;

TEST_CASE("admission") {
  AdmissionFacts facts;
  facts.message_size = 50 << 20;
  REQUIRE(decide_admission(facts).accepting);
  facts.disk = {1ULL << 30, 100ULL << 30, true};
  REQUIRE(decide_admission(facts).accepting);
  facts.disk.free_bytes = 200 << 20;
  ipc::Admission low = decide_admission(facts);
  REQUIRE_FALSE(low.accepting);
  REQUIRE(low.refusal.one_line().substr(0, 9) == "452 4.3.1");
  facts.disk = {60 << 20, 256 << 20, true};  // a small disk: a tenth is enough
  REQUIRE(decide_admission(facts).accepting);
  facts.store = StoreTrouble::full;
  REQUIRE(decide_admission(facts).refusal.one_line().substr(0, 9) == "452 4.3.1");
  facts.store = StoreTrouble::away;
  REQUIRE(decide_admission(facts).refusal.one_line().substr(0, 9) == "451 4.3.0");
  facts.store = StoreTrouble::none;
  facts.wal_bytes = kLogStopBytes + 1;
  REQUIRE(decide_admission(facts).refusal.code == 451);
  facts.wal_bytes = 0;
  REQUIRE(decide_admission(facts).accepting);
  facts.disk.free_names = 10;
  REQUIRE(decide_admission(facts).refusal.code == 452);
}

TEST_CASE("kind 2: mail is refused while a small disk has room for what the store's log holds") {
  for (std::uint64_t total : {96ULL << 20, 200ULL << 20, 1ULL << 30, 1ULL << 40}) {
    AdmissionFacts facts;
    facts.message_size = 1 << 20;
    std::uint64_t kept = log_debt(total) + Ballast::size_for(total) + log_reserve(total);
    facts.disk = {kept, total, true};
    CHECK_FALSE(decide_admission(facts).accepting);
    facts.disk.free_bytes = total / 3;
    CHECK(decide_admission(facts).accepting);
  }
}

TEST_CASE("kind 2: with no byte free mail leaves, or the reason is said") {
  AdmissionFacts facts;
  facts.disk = {0, 100ULL << 30, true};
  facts.log_reserved = true;
  REQUIRE(may_deliver(facts));
  // What cannot be written waits, and the journal knows the delivered.
  facts.store = StoreTrouble::full;
  REQUIRE(may_deliver(facts));
  facts.unrecorded = kUnrecordedMax;
  REQUIRE_FALSE(may_deliver(facts));
  REQUIRE(standstill(facts).find("free some space") != std::string::npos);
  facts.unrecorded = 0;
  facts.log_reserved = false;
  REQUIRE_FALSE(may_deliver(facts));
  REQUIRE(standstill(facts).find("0 bytes free") != std::string::npos);
  facts.disk.free_bytes = outcome_reserve(facts.disk.total_bytes);
  REQUIRE(may_deliver(facts));
  facts.stopping = true;
  REQUIRE_FALSE(may_deliver(facts));
  // The reserves fit beside each other even on a small disk.
  for (std::uint64_t total : {64ULL << 20, 1ULL << 30, 1ULL << 40})
    REQUIRE(log_reserve(total) + Ballast::size_for(total) + outcome_reserve(total) <
            disk_floor(50ULL << 20, total));
}

TEST_CASE("no attempt begins while the database is away, and the words name the right disk") {
  AdmissionFacts facts;
  facts.disk = {80ULL << 30, 100ULL << 30, true};
  facts.log_reserved = true;
  facts.in_database = true;
  REQUIRE(may_deliver(facts));
  facts.store = StoreTrouble::away;
  REQUIRE_FALSE(may_deliver(facts));
  REQUIRE(standstill(facts).find("cannot be reached") != std::string::npos);
  facts.store = StoreTrouble::full;
  REQUIRE(may_deliver(facts));
  facts.unrecorded = kUnrecordedMax;
  REQUIRE(standstill(facts).find("the disk of the database") != std::string::npos);
  facts.in_database = false;
  REQUIRE(standstill(facts).find("the disk of the spool") != std::string::npos);
}

TEST_CASE("a node that joins or drains refuses without alarm, and says what it waits for") {
  AdmissionFacts facts;
  facts.disk = {80ULL << 30, 100ULL << 30, true};
  facts.log_reserved = true;
  facts.in_database = true;
  REQUIRE(why_not_accepting(facts).empty());
  REQUIRE_FALSE(is_as_meant(facts));
  facts.cluster = "this node has no part of the queue yet";
  REQUIRE(why_not_accepting(facts) == facts.cluster);
  REQUIRE_FALSE(is_as_meant(facts));  // such as one that is unsure
  facts.cluster_as_meant = true;
  REQUIRE(is_as_meant(facts));
  facts.store = StoreTrouble::away;
  REQUIRE_FALSE(is_as_meant(facts));
  REQUIRE(why_not_accepting(facts).find("cannot be reached") != std::string::npos);
  facts.store = StoreTrouble::none;
  facts.cluster.clear();
  REQUIRE_FALSE(is_as_meant(facts));
  facts.stopping = true;
  REQUIRE(is_as_meant(facts));
  REQUIRE(why_not_accepting(facts) == "Mail system is stopping, try again later");
  facts.stopping = false;
  facts.disk.free_names = 0;
  REQUIRE(why_not_accepting(facts) == "No room for more files, try again later");
}

TEST_CASE("kind 2: the ballast is not made where the disk has no names for files left") {
  AdmissionFacts facts;
  facts.disk = {80ULL << 30, 100ULL << 30, true};
  REQUIRE(room_for_ballast(facts, 64U << 20));
  facts.disk.free_names = kNamesKept;
  REQUIRE(room_for_ballast(facts, 64U << 20));
  facts.disk.free_names = kNamesKept - 1;
  REQUIRE_FALSE(room_for_ballast(facts, 64U << 20));
  REQUIRE(may_deliver(facts));  // outcomes need no names
}
