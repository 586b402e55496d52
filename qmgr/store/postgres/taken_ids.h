// Which new messages have an id that is there already, in a bag where new ones do not go to.
#pragma once

#include <span>
#include <unordered_set>

#include "qmgr/store/postgres/session/pg_session.h"

namespace postwain::qmgr {

// Asks nothing, and is empty, where only one set of bags was ever open: then the key of the table
// itself tells.
StoreResult<std::unordered_set<mail::QueueId>> taken_ids(PgSession& session,
                                                         std::span<const mail::QueueId> ids);

}  // namespace postwain::qmgr
