// What a 250 is worth, by what the database says of itself.
#include <catch2/catch.hpp>

#include <string>

#include "qmgr/cluster/durability.h"

using namespace postwain::qmgr::cluster;

TEST_CASE("what a 250 is worth follows from the settings and from who is connected") {
  struct {
    const char* commit;
    const char* names;
    bool fsync;
    std::int64_t synchronous;
    std::int64_t hidden;
    const char* worth;
    bool one_machine;
  } rows[] = {
      {"on", "", true, 0, 0, "local", true},
      {"on", "  ", true, 0, 0, "local", true},
      // Standbys that nobody waits for are worth nothing.
      {"on", "", true, 0, 2, "local", true},
      {"remote_apply", "", true, 0, 0, "local", true},
      {"local", "*", true, 1, 0, "local", true},
      {"on", "*", true, 1, 0, "remote", false},
      {"on", "ANY 1 (db2, db3)", true, 2, 0, "remote", false},
      {"remote_apply", "*", true, 1, 0, "remote", false},
      {"remote_write", "*", true, 1, 0, "received", false},
      {"on", "*", true, 0, 0, "waiting", false},
      {"remote_write", "db2", true, 0, 0, "waiting", false},
      {"on", "*", true, 0, 1, "remote", false},
      {"on", "*", true, -1, -1, "waiting", false},
      {"off", "*", true, 1, 0, "nothing", true},
      {"on", "*", false, 1, 0, "nothing", true},
      {"off", "", false, 0, 0, "nothing", true},
      {"", "*", true, 1, 0, "unknown", true},
      {"quorum", "", true, 0, 0, "unknown", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.commit, row.names, row.fsync, row.synchronous, row.hidden);
    Worth worth = worth_of({row.commit, row.names, row.fsync, 3, row.synchronous, row.hidden});
    CHECK(name_of(worth) == row.worth);
    CHECK(is_one_machine(worth) == row.one_machine);
    CHECK(parse_worth(row.worth) == worth);
  }
}

TEST_CASE("the words for what a 250 is worth cannot be misread") {
  CHECK(std::string(words_of(Worth::local)).find("ONE MACHINE") != std::string::npos);
  CHECK(std::string(words_of(Worth::remote)).find("two disks") != std::string::npos);
  CHECK(std::string(words_of(Worth::nothing)).find("NOTHING") != std::string::npos);
  CHECK(std::string(words_of(Worth::waiting)).find("NO 250") != std::string::npos);
  CHECK(parse_worth("") == Worth::unknown);
  CHECK(parse_worth("Local") == Worth::unknown);
  CHECK(is_one_machine(parse_worth("what a later version says")));
}
