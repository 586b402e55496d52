// What a 250 is worth: how many machines have a message on their disks when its commit has been
// answered. It follows from the settings of the database's server and from the standbys that are
// connected to it. Pure; what is asked of the server is Pg::select_durability
// (qmgr/store/postgres/session/pg_durability.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::qmgr::cluster {

// As the server says, to one of our own sessions.
struct CommitFacts {
  std::string synchronous_commit;  // of that session: off, local, remote_write, on, remote_apply
  std::string standby_names;       // synchronous_standby_names; empty: a commit waits for nobody
  bool fsync = true;
  std::int64_t receivers = 0;    // connections that get the log of the server, whatever for
  std::int64_t synchronous = 0;  // those of standbys that commits wait for
  // Those of which we may not see what they are: only a member of pg_read_all_stats may.
  std::int64_t hidden = 0;
  // Octets of the log that the standby furthest behind has not on its disk; below 0: there is none
  // that is connected and that we may look at.
  std::int64_t lag = -1;
};

enum class Worth : std::uint8_t {
  unknown,   // the server has not told yet, or tells what we do not know
  nothing,   // the server syncs nothing: a failure of its power loses acknowledged mail
  local,     // one machine: its disk has the mail, and no other one
  waiting,   // commits wait for a standby, and none is connected; so no 250 is given at all
  received,  // a standby has got the mail as well, but need not have it on its disk
  remote,    // two disks at least: a commit is answered when a standby has it on its own, too
};

// Standbys that are hidden count as what the settings demand: without a synchronous one among them
// no commit would be answered, and this one's question came behind such an answer.
Worth worth_of(const CommitFacts& facts);

// "local": the word in status, JSON and metrics.
std::string_view name_of(Worth worth);
// The other way round; unknown where there is no such word.
Worth parse_worth(std::string_view word);
// A sentence for operators that cannot be misread.
std::string_view words_of(Worth worth);
// Whether a 250 may mean no more than one machine. Where that is not known it is true, so that
// nobody relies on a second copy that is not there.
bool is_one_machine(Worth worth);

}  // namespace postwain::qmgr::cluster
