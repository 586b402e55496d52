#include "qmgr/cluster/durability.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "common/base/text.h"

namespace postwain::qmgr::cluster {

namespace {

struct WorthRow {
  std::string_view name;
  std::string_view words;
};

// In the order of Worth.
constexpr std::array<WorthRow, 6> kWorths = {{
    {"unknown", "what a 250 is worth is not known: the database has not told"},
    {"nothing",
     "a 250 is worth NOTHING when the database's server loses power: it does not sync what it "
     "commits (fsync, synchronous_commit)"},
    {"local",
     "a 250 means ONE MACHINE: the mail is on the disk of the database's server alone, and is lost "
     "with it"},
    {"waiting",
     "NO 250 IS GIVEN: commits wait for a synchronous standby (synchronous_standby_names), and "
     "none is connected"},
    {"received",
     "a 250 means one disk: a standby has received the mail, and need not have it on its own disk"},
    {"remote",
     "a 250 means two disks at least: that of the database's server, and that of a synchronous "
     "standby"},
}};
static_assert(static_cast<std::size_t>(Worth::remote) + 1 == kWorths.size());

}  // namespace

Worth worth_of(const CommitFacts& facts) {
  const std::string& commit = facts.synchronous_commit;
  if (!facts.fsync || commit == "off") return Worth::nothing;
  const bool asks_disks = commit == "on" || commit == "remote_apply";
  if (!asks_disks && commit != "local" && commit != "remote_write") return Worth::unknown;
  if (commit == "local" || trim(facts.standby_names).empty()) return Worth::local;
  if (facts.synchronous <= 0 && facts.hidden <= 0) return Worth::waiting;
  return asks_disks ? Worth::remote : Worth::received;
}

std::string_view name_of(Worth worth) {
  return kWorths[static_cast<std::size_t>(worth)].name;
}

Worth parse_worth(std::string_view word) {
  const auto* found = std::find_if(kWorths.begin(), kWorths.end(),
                                   [word](const WorthRow& row) { return row.name == word; });
  if (found == kWorths.end()) return Worth::unknown;
  return static_cast<Worth>(found - kWorths.begin());
}

std::string_view words_of(Worth worth) {
  return kWorths[static_cast<std::size_t>(worth)].words;
}

bool is_one_machine(Worth worth) {
  return worth != Worth::remote && worth != Worth::received && worth != Worth::waiting;
}

}  // namespace postwain::qmgr::cluster
