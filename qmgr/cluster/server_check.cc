#include "qmgr/cluster/server_check.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"

#include "qmgr/cluster/clock_check.h"

namespace postwain::qmgr::cluster {

namespace {

using Findings = std::vector<CheckFinding>;

void say(Findings& out, CheckLevel level, std::string_view what, std::string text) {
  out.push_back({level, what, std::move(text)});
}

void check_version(const ServerFacts& facts, Findings& out) {
  if (facts.version < kServerVersionLeast)
    return say(out, CheckLevel::error, "version",
               facts.server + ": PostgreSQL 14 is the oldest that the queue works with");
  if (facts.version < kServerVersionTested)
    return say(out, CheckLevel::warning, "version",
               facts.server + ": it should do, but nobody tests the queue with less than 15");
  say(out, CheckLevel::ok, "version", facts.server);
}

void check_role(const ServerFacts& facts, Findings& out) {
  if (!facts.may_create)
    say(out, CheckLevel::error, "role",
        "the role may make no tables there: let it own the database (ALTER DATABASE … OWNER TO …)");
  if (facts.foreign_tables > 0)
    say(out, CheckLevel::error, "role",
        fmt::format("{} of the queue's tables belong to another role: ALTER TABLE … OWNER TO …",
                    facts.foreign_tables));
  if (facts.superuser)
    say(out, CheckLevel::warning, "role",
        "the role is a superuser, and needs to own its database only");
  if (facts.may_create && facts.foreign_tables == 0 && !facts.superuser)
    say(out, CheckLevel::ok, "role", "the role has the rights that it needs, and no others");
  if (!facts.sees_standbys)
    say(out, CheckLevel::warning, "standbys",
        "which standbys are connected is hidden from the role: GRANT pg_read_all_stats TO it, so "
        "that it is noticed when one is lost");
}

void check_tables(const ServerFacts& facts, Findings& out) {
  if (!facts.schema_trouble.empty())
    return say(out, CheckLevel::error, "schema", facts.schema_trouble);
  if (facts.schema == 0)
    return say(out, CheckLevel::ok, "schema",
               "there are no tables yet; the first start makes them");
  if (facts.schema < facts.schema_wanted)
    return say(out, CheckLevel::warning, "schema",
               fmt::format("the tables have schema {}; the start of this program brings them to {}",
                           facts.schema, facts.schema_wanted));
  say(out, CheckLevel::ok, "schema", fmt::format("the tables have schema {}", facts.schema));
}

void check_node(const ServerFacts& facts, Findings& out) {
  if (facts.node_taken)
    return say(out, CheckLevel::error, "node",
               fmt::format("the name {} is that of another machine, or of another spool: give this "
                           "one a name of its own ([queue] node)",
                           facts.node));
  say(out, CheckLevel::ok, "node", fmt::format("the name {} is free, or ours", facts.node));
}

// What is not said by the worth of a 250 stands apart, because each is to be mended by itself.
void check_durability(const ServerFacts& facts, Findings& out) {
  if (!facts.commit.fsync)
    say(out, CheckLevel::error, "fsync",
        "fsync is off: a failure of the server's power loses mail, or the whole database");
  else
    say(out, CheckLevel::ok, "fsync", "fsync is on");
  if (!facts.full_page_writes)
    say(out, CheckLevel::error, "full_page_writes",
        "full_page_writes is off: a failure of power in the middle of a page damages the database");
  else
    say(out, CheckLevel::ok, "full_page_writes", "full_page_writes is on");
  const Worth worth = worth_of(facts.commit);
  const bool good = worth == Worth::remote;
  say(out, good ? CheckLevel::ok : CheckLevel::warning, "synchronous_commit",
      std::string(words_of(worth)));
}

void check_autovacuum(const ServerFacts& facts, Findings& out) {
  if (facts.autovacuum) return say(out, CheckLevel::ok, "autovacuum", "autovacuum is on");
  say(out, CheckLevel::error, "autovacuum",
      "autovacuum is off: the tables grow with each message, and are never given back");
}

// On one machine it takes less than a tenth of one.
std::string in_milliseconds(std::chrono::microseconds time) {
  const double ms = static_cast<double>(time.count()) / 1000;
  if (time.count() >= 100) return fmt::format("{:.1f} ms", ms);
  return time.count() < 10 ? "less than 0.01 ms" : fmt::format("{:.2f} ms", ms);
}

void check_way(const ServerFacts& facts, Findings& out) {
  const bool slow = facts.round_trip > kRoundTripSlow;
  say(out, slow ? CheckLevel::warning : CheckLevel::ok, "round_trip",
      fmt::format("a question and its answer take {}{}", in_milliseconds(facts.round_trip),
                  slow ? ": each message waits for several of these" : ""));
}

void check_clocks(const ServerFacts& facts, Findings& out) {
  const Duration off = std::chrono::abs(facts.clock_difference);
  const double seconds = static_cast<double>(off.count()) / 1000;
  if (off > kClockTold)
    say(out, CheckLevel::warning, "clock",
        fmt::format("the server's clock is {:.1f} s {} ours: keep both by NTP, or retries and the "
                    "ages of mail are wrong",
                    seconds, facts.clock_difference > Duration(0) ? "ahead of" : "behind"));
  else
    say(out, CheckLevel::ok, "clock",
        off < std::chrono::milliseconds(100)
            ? std::string("the clocks differ by less than 0.1 s")
            : fmt::format("the clocks differ by {:.1f} s", seconds));
  if (facts.clocksource == "kvm-clock")
    say(out, CheckLevel::warning, "clocksource",
        "this machine's clock is kvm-clock, which stands still while its host pauses it: what it "
        "sends in the moment it goes on may be sent by another node, too; use the clock source "
        "tsc");
  else if (!facts.clocksource.empty())
    say(out, CheckLevel::ok, "clocksource",
        fmt::format("this machine's clock source is {}", facts.clocksource));
}

}  // namespace

std::string clock_source(std::string_view file) {
  constexpr std::size_t kNameMax = 40;
  return printable(trim(file.substr(0, file.find('\n'))), kNameMax);
}

std::string_view name_of(CheckLevel level) {
  constexpr std::string_view kNames[] = {"ok", "warning", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

std::vector<CheckFinding> findings_of(const ServerFacts& facts) {
  Findings out;
  check_version(facts, out);
  check_role(facts, out);
  check_tables(facts, out);
  check_node(facts, out);
  check_durability(facts, out);
  check_autovacuum(facts, out);
  check_way(facts, out);
  check_clocks(facts, out);
  return out;
}

bool is_fit(const std::vector<CheckFinding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const CheckFinding& one) { return one.level == CheckLevel::error; });
}

}  // namespace postwain::qmgr::cluster
