// The beginning of a node's term: from then on what its former term has still on its way cannot be
// committed any more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qmgr/store/facts.h"
#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/postgres/session/pg_options.h"

namespace postwain::qmgr {

constexpr std::int16_t kLane = 0;        // that writes batches
constexpr std::int16_t kKeeperLane = 1;  // that writes what nodes tell each other

// What the server's lists call the sessions of a node; each begins with that.
std::string sessions_of_node(std::int16_t node);

struct PgTerm {
  std::int16_t node = 0;
  std::int64_t term = 0;
  std::int64_t token = 0;
  std::uint64_t bags = 0;
  // Attempts in these bags whose end nobody knows. They are named under this term, by the batch 1.
  std::vector<AttemptName> names;
  std::int64_t registered_ms = 0;  // of CLOCK_BOOTTIME, before anything was sent
};

// One transaction, and a look at the others before it where all of the queue is to be ours. busy:
// a node of that name lives on another machine, or another node lives and we are to be alone.
StoreResult<PgTerm> register_node(PgConnection& connection, const PgOptions& options);

// The names in rows of `attempt` (Pg::select_names), as far as they are of these bags. A row that
// cannot be read names nobody, and is told of: it must not keep the queue from whoever takes it.
StoreResult<std::vector<AttemptName>> read_names(const PgResult& result, std::uint64_t bags);

// Of a committed transaction, nothing else: not ROLLBACK, and no warning beside it.
bool is_commit(const PgAnswers& answers);

// The one number of the one row.
StoreResult<std::int64_t> number_in(const PgResult& result);

}  // namespace postwain::qmgr
