// A cluster in words.
#include <catch2/catch.hpp>

#include "postwain/client/cluster_text.h"

using namespace postwain::tool;

TEST_CASE("a cluster for people") {
  CHECK(
      cluster_lines(
          R"({"node":"mx1","number":0,"term":7,"standing":"live","word_age_ms":312,)"
          R"("worth":"local","worth_words":"a 250 means ONE MACHINE","one_machine":true,)"
          R"("server":"PostgreSQL 15.18 at db1","orphans":0,"fences":1,"adoptions":21,"gives":3,)"
          R"("nodes":[{"number":0,"name":"mx1","self":true,"state":"live","stay":true,"term":7,)"
          R"("beat_age_ms":0,"bags":40,"weight":4,"load":"idle","version":"1.2","config":"equal"},)"
          R"({"number":1,"name":"mx2","self":false,"state":"draining","stay":false,"term":3,)"
          R"("beat_age_ms":480,"bags":24,"weight":16,"load":"busy","version":"1.2",)"
          R"("config":"different","config_differs":["route","limits"]}]})") ==
      "this node: mx1 (number 0), live in term 7; its word is 0.3 s old\n"
      "database: PostgreSQL 15.18 at db1\n"
      "a 250 means ONE MACHINE\n"
      "bags: each has an owner\n"
      "since the start of this node: 1 fenced, 21 bags adopted, 3 given away\n"
      "\n"
      "nodes:\n"
      "    NODE   NUMBER  STATE     BAGS  TERM  BEAT   LOAD  WEIGHT  VERSION  CONFIGURATION\n"
      "    mx1 *  0       live      40    7     0.0 s  idle  4       1.2      equal\n"
      "    mx2    1       draining  24    3     0.5 s  busy  16      1.2      different: route, "
      "limits\n");
}

TEST_CASE("what is asked of a node stands beside its state where they differ") {
  auto state_of = [](const std::string& state, bool stay) {
    return cluster_lines(R"({"nodes":[{"name":"a","state":")" + state + R"(","stay":)" +
                         (stay ? "true" : "false") + "}]}");
  };
  CHECK(state_of("gone", false).find("  gone, keeps out  ") != std::string::npos);
  CHECK(state_of("gone", true).find("  gone  ") != std::string::npos);
  CHECK(state_of("draining", true).find("  draining, may join  ") != std::string::npos);
  CHECK(state_of("live", true).find("  live  ") != std::string::npos);
}

TEST_CASE("what a standby lacks and what is in doubt is said where it is known") {
  const std::string lines = cluster_lines(R"({"lag_bytes":8192,"in_doubt":3})");
  CHECK(lines.find("lacks 8192 octets of the database's log\n") != std::string::npos);
  CHECK(lines.find("may have their message already: 3\n") != std::string::npos);
  CHECK(cluster_lines(R"({"in_doubt":0})").find("already") == std::string::npos);
  CHECK(cluster_lines(R"({"history_dropped_bytes":4096})").find("will never read: 4096 octets\n") !=
        std::string::npos);
  CHECK(cluster_lines(R"({"history_dropped_bytes":0})").find("never") == std::string::npos);
}

TEST_CASE("what a database that is silent said before is not told as if it were so now") {
  const std::string_view view =
      R"({"node":"mx1","standing":"unsure","database":"database q at db1:5433 as q",)"
      R"("server":"PostgreSQL 15.18 at db1:5433","heard_ago_ms":12340,"silent":)";
  const std::string silent = cluster_lines(
      std::string(view) +
      R"(true,"database_trouble":"the database at db1:5433 cannot be reached: refused"})");
  CHECK(silent.find("NOTHING IS HEARD FROM THE DATABASE (database q at db1:5433 as q) for 12.3 s: "
                    "the database at db1:5433 cannot be reached: refused\n"
                    "what follows is as it was then\n"
                    "database: PostgreSQL 15.18 at db1:5433\n") != std::string::npos);
  CHECK(cluster_lines(std::string(view) + "false}").find("NOTHING") == std::string::npos);
  const std::string never = cluster_lines(
      R"({"standing":"live","database":"database q at db1 as q","server":"","heard_ago_ms":null})");
  CHECK(never.find("database: database q at db1 as q, which has not answered yet\n") !=
        std::string::npos);
}

TEST_CASE("bags without an owner stand out, and no answer does harm") {
  CHECK(cluster_lines(R"({"orphans":3})").find("bags: 3 HAVE NO OWNER") != std::string::npos);
  CHECK(cluster_lines("not json") == "not json\n");
  CHECK(cluster_lines(R"({"limits_reached":2,"places_claimed":7})")
            .find("\n2 limits of connections over all nodes are reached, of which this node has 7 "
                  "places\n") != std::string::npos);
  for (const char* answer :
       {R"({"nodes":7})", R"({"nodes":[7,"x",{}]})", R"({"nodes":[{"name":7,"bags":"x"}]})",
        R"({"standing":[],"word_age_ms":"x","orphans":{}})"}) {
    CAPTURE(answer);
    CHECK(cluster_lines(answer).find("this node: ") == 0);
  }
  CHECK(cluster_lines(R"({"node":"a\u001b[2J"})").find("a\\x1b[2J") != std::string::npos);
}
