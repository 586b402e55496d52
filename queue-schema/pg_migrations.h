// The steps that lead from an empty PostgreSQL schema to the present one of a queue that several
// nodes may share. They count for themselves: schema_info.version is the last step that was taken.
//
// Each step runs in a transaction of its own, which raises that number, too. Steps only add, since
// nodes of two versions run beside each other while a cluster is upgraded; a step that makes the
// tables useless for older programs raises schema_info.oldest_compatible as well. No libpq in here.
//
// What the tables keep to, so that no writer waits for another node's:
// - `bag` stands in front of every key of a message: the part of the queue that one node works on.
// - There are no foreign keys, triggers, sequences or notifications. What belongs together goes
//   together by the statements themselves (qmgr/store/postgres/session/pg_statements.cc).
// - Texts are bytea, also as keys: a reply in Latin-1 cannot fail a transaction, and no version of
//   a collation reorders an index. CHECKs bound them as those of schema.sql do.
// - Times are milliseconds since 1970 UTC, enumerations the numbers of the C++ types.
#pragma once

#include <cstdint>
#include <span>

#include "queue-schema/migrations.h"

namespace postwain::queue_schema {

// Parts of the queue, in all.
constexpr std::int16_t kBags = 64;

// Version 1 first, without gaps.
std::span<const Migration> pg_migrations();
// That of the last one: this program's own.
std::int64_t pg_schema_version();

}  // namespace postwain::queue_schema
