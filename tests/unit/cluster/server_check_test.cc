// What `cluster check` says of a database.
#include <catch2/catch.hpp>

#include <functional>
#include <string>

#include "qmgr/cluster/server_check.h"

using namespace postwain;
using namespace postwain::qmgr::cluster;
using namespace std::chrono_literals;

namespace {

ServerFacts good_server() {
  ServerFacts facts;
  facts.server = "PostgreSQL 17.2 at db1";
  facts.version = 170'002;
  facts.may_create = facts.sees_standbys = true;
  facts.schema = facts.schema_wanted = 2;
  facts.commit = {"on", "*", true, 1, 1, 0};
  facts.round_trip = 700us;
  facts.clock_difference = 12ms;
  facts.clocksource = "tsc";
  facts.node = "mx1";
  return facts;
}

// "error fsync, warning clock": all that is not as it should be.
std::string complaints(const ServerFacts& facts) {
  std::string out;
  for (const CheckFinding& one : findings_of(facts))
    if (one.level != CheckLevel::ok)
      out +=
          (out.empty() ? "" : ", ") + std::string(name_of(one.level)) + " " + std::string(one.what);
  return out;
}

std::string text_about(const ServerFacts& facts, const std::string& what) {
  for (const CheckFinding& one : findings_of(facts))
    if (one.what == what) return one.text;
  return {};
}

}  // namespace

TEST_CASE("a server that is as it should be has no complaint, and each thing is told") {
  ServerFacts facts = good_server();
  CHECK(complaints(facts).empty());
  CHECK(is_fit(findings_of(facts)));
  for (const char* what :
       {"version", "role", "schema", "node", "fsync", "full_page_writes", "synchronous_commit",
        "autovacuum", "round_trip", "clock", "clocksource"}) {
    CAPTURE(what);
    CHECK_FALSE(text_about(facts, what).empty());
  }
  CHECK(text_about(facts, "round_trip") == "a question and its answer take 0.7 ms");
  facts.round_trip = 40us;
  CHECK(text_about(facts, "round_trip") == "a question and its answer take 0.04 ms");
  facts.round_trip = 3us;
  CHECK(text_about(facts, "round_trip") == "a question and its answer take less than 0.01 ms");
  CHECK(text_about(facts, "clock") == "the clocks differ by less than 0.1 s");
  facts.clock_difference = -1200ms;
  CHECK(text_about(facts, "clock") == "the clocks differ by 1.2 s");
  facts.clocksource.clear();
  CHECK(text_about(facts, "clocksource").empty());
  facts.schema = 0;
  CHECK(complaints(facts).empty());
  CHECK(text_about(facts, "schema") == "there are no tables yet; the first start makes them");
}

TEST_CASE("each thing that is wrong with a server is told, and how bad it is") {
  struct {
    const char* complaints;
    std::function<void(ServerFacts&)> change;
  } rows[] = {
      {"error version", [](ServerFacts& f) { f.version = 130'021; }},
      {"warning version", [](ServerFacts& f) { f.version = 140'000; }},
      {"", [](ServerFacts& f) { f.version = 150'000; }},
      {"error role", [](ServerFacts& f) { f.may_create = false; }},
      {"error role", [](ServerFacts& f) { f.foreign_tables = 9; }},
      {"warning role", [](ServerFacts& f) { f.superuser = true; }},
      {"warning standbys", [](ServerFacts& f) { f.sees_standbys = false; }},
      {"error schema", [](ServerFacts& f) { f.schema_trouble = "too old"; }},
      {"warning schema", [](ServerFacts& f) { f.schema = 1; }},
      {"", [](ServerFacts& f) { f.schema = 3; }},  // which says itself that we may work with it
      {"error node", [](ServerFacts& f) { f.node_taken = true; }},
      {"error fsync, warning synchronous_commit", [](ServerFacts& f) { f.commit.fsync = false; }},
      {"error full_page_writes", [](ServerFacts& f) { f.full_page_writes = false; }},
      {"warning synchronous_commit", [](ServerFacts& f) { f.commit.standby_names.clear(); }},
      {"warning synchronous_commit", [](ServerFacts& f) { f.commit.synchronous = 0; }},
      {"warning synchronous_commit", [](ServerFacts& f) { f.commit.synchronous_commit = "off"; }},
      {"error autovacuum", [](ServerFacts& f) { f.autovacuum = false; }},
      {"", [](ServerFacts& f) { f.round_trip = kRoundTripSlow; }},
      {"warning round_trip", [](ServerFacts& f) { f.round_trip = kRoundTripSlow + 1us; }},
      {"", [](ServerFacts& f) { f.clock_difference = 2s; }},
      {"warning clock", [](ServerFacts& f) { f.clock_difference = 2001ms; }},
      {"warning clock", [](ServerFacts& f) { f.clock_difference = -2001ms; }},
      {"warning clocksource", [](ServerFacts& f) { f.clocksource = "kvm-clock"; }},
  };
  for (const auto& row : rows) {
    ServerFacts facts = good_server();
    row.change(facts);
    CAPTURE(row.complaints, &row - rows);
    CHECK(complaints(facts) == row.complaints);
    bool has_error = std::string(row.complaints).find("error") != std::string::npos;
    CHECK(is_fit(findings_of(facts)) == !has_error);
  }
  ServerFacts facts = good_server();
  facts.clock_difference = -3500ms;
  CHECK(text_about(facts, "clock").find("3.5 s behind ours") != std::string::npos);
  facts.clock_difference = 3500ms;
  CHECK(text_about(facts, "clock").find("3.5 s ahead of ours") != std::string::npos);
}

TEST_CASE("the clock source is told without the end of the kernel's line") {
  CHECK(clock_source("tsc\n") == "tsc");
  CHECK(clock_source("kvm-clock") == "kvm-clock");
  CHECK(clock_source(" hpet \nmore\n") == "hpet");
  CHECK(clock_source("\n").empty());
}
