// What Pg::select_durability answers: how commits are kept by the server
// (qmgr/cluster/durability.h).
#pragma once

#include <optional>

#include "qmgr/cluster/durability.h"
#include "qmgr/store/postgres/session/pg_result.h"

namespace postwain::qmgr {

// Nothing: the answer is not as it should be.
std::optional<cluster::CommitFacts> read_durability(const PgResult& result);

}  // namespace postwain::qmgr
