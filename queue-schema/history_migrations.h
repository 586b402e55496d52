// The steps that lead from an empty file to the present schema of the history database
// (history_schema.sql shows the result). Its version counts for itself, since a history may be
// thrown away and a queue may not. The same rules as in migrations.h otherwise; no SQLite in here.
#pragma once

#include <cstdint>
#include <span>

#include "queue-schema/migrations.h"

namespace postwain::queue_schema {

constexpr std::int64_t kHistoryApplicationId = 0x50577168;  // "PWqh"
constexpr std::int64_t kHistorySchemaVersion = 10;

// Version 1 first, without gaps.
std::span<const Migration> history_migrations();

}  // namespace postwain::queue_schema
