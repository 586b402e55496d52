// The tables of the queue: brought to the present version, or refused where they are not ours.
#pragma once

#include <cstdint>

#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// Each migration that is missing is a transaction of its own (queue-schema/pg_migrations.h). Two
// nodes may do this at the same time. damaged: a newer program made the tables useless for this
// one, or tables of those names are somebody else's.
StoreStatus bring_schema_up(PgConnection& connection);

// The same where nothing is to be made: refused, if there is no queue in the database, or one that
// is not at the present version.
StoreStatus check_schema(PgConnection& connection);

// 0: there are no tables of ours yet. damaged: as above.
StoreResult<std::int64_t> version_of_tables(PgConnection& connection);

// A number that tells this queue from those of other databases, made with its tables.
StoreResult<std::int64_t> queue_number(PgConnection& connection);

}  // namespace postwain::qmgr
