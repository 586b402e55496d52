// The steps that lead from an empty file to the present queue schema (schema.sql shows the result).
//
// Each step runs in a transaction of its own that also raises PRAGMA user_version. A step that
// makes the database useless for older programs raises schema_info.oldest_compatible as well; a
// program refuses a database whose oldest_compatible is above its own schema_version(). No SQLite
// in here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace postwain::queue_schema {

constexpr std::int64_t kApplicationId = 0x50577171;  // "PWqq"

struct Migration {
  std::int64_t version;
  std::string_view sql;
};

// Version 1 first, without gaps.
std::span<const Migration> migrations();
// That of the last one: this program's own.
std::int64_t schema_version();

}  // namespace postwain::queue_schema
