// What `postwain cluster check` says of a database before a queue is kept in it. What was found out
// comes in; a sentence for each thing that was looked at comes out. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "qmgr/cluster/durability.h"

namespace postwain::qmgr::cluster {

constexpr std::int64_t kServerVersionLeast = 140'000;   // as the server counts: 14.0
constexpr std::int64_t kServerVersionTested = 150'000;  // the oldest that our tests run with
// A message that comes alone waits for two or three round trips.
constexpr std::chrono::microseconds kRoundTripSlow = std::chrono::milliseconds(20);

struct ServerFacts {
  std::string server;        // "PostgreSQL 15.18 at db1.example.org"
  std::int64_t version = 0;  // 150018
  // Of our role.
  bool may_create = false;  // tables in the schema that it works in
  bool superuser = false;
  bool sees_standbys = false;       // what the connections of standbys are
  std::int64_t foreign_tables = 0;  // tables with names of ours that belong to another role
  // Of the tables: 0: there are none yet. trouble: why they cannot be used; empty: they can.
  std::int64_t schema = 0;
  std::int64_t schema_wanted = 0;
  std::string schema_trouble;

  CommitFacts commit;
  bool full_page_writes = true;
  bool autovacuum = true;

  std::chrono::microseconds round_trip{};  // the quickest of several
  Duration clock_difference{};             // the server's clock is ahead by so much
  std::string clocksource;                 // of this machine's kernel; empty: not known

  std::string node;         // our name
  bool node_taken = false;  // it lives, and is another spool's
};

// The clock source in the words of the kernel's file, whose line has an end.
std::string clock_source(std::string_view file);

enum class CheckLevel : std::uint8_t {
  ok,
  warning,  // it works, and is less than it could be
  error,    // it does not work, or loses mail
};
std::string_view name_of(CheckLevel level);

struct CheckFinding {
  CheckLevel level = CheckLevel::ok;
  std::string_view what;  // "fsync": a word of ours
  std::string text;       // a sentence
};

std::vector<CheckFinding> findings_of(const ServerFacts& facts);

// None is an error.
bool is_fit(const std::vector<CheckFinding>& findings);

}  // namespace postwain::qmgr::cluster
