// What a database is like in which a queue is to be kept, found out without changing anything of
// it: for `postwain cluster check`.
#pragma once

#include "qmgr/cluster/server_check.h"
#include "qmgr/store/postgres/session/pg_options.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// options: of it only what is needed to connect, the node's name, and the machine; an empty machine
// is none that any node has. The facts are all but the clock source. An error: the database cannot
// be asked.
StoreResult<cluster::ServerFacts> examine_database(const PgOptions& options);

}  // namespace postwain::qmgr
