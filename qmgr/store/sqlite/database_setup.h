// What opening the queue database and opening the history database have in common: limits against
// damage and injection, whose file it is, and the numbered migrations.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/base/result.h"

#include "queue-schema/migrations.h"

#include "qmgr/store/sqlite/sqlite.h"

namespace postwain::qmgr {

// What a file must be to be ours.
struct FileIdentity {
  std::int64_t application_id;
  std::int64_t schema_version;  // of this program
  std::string_view what;        // "queue database"
  std::span<const queue_schema::Migration> migrations;
};

Result<std::int64_t> ask_number(Database& db, const std::string& sql);
Status run_all(Database& db, std::span<const char* const> commands);

// No ATTACH, no long statements, no functions or views of the file that could act.
void harden(Database& db);
// Page size and vacuum mode, which are fixed with the first page; exclusive before the journal
// mode, so that there is no shared-memory file and a second opener is refused.
Status set_before_first_page(Database& db);
// A foreign file is refused (SQLITE_NOTADB), an empty one becomes ours.
Status check_identity(Database& db, const FileIdentity& identity);
// Each step in a transaction of its own. A file that a newer program made unusable for this one is
// refused (SQLITE_NOTADB).
Status migrate(Database& db, const FileIdentity& identity);

// One step of giving pages back when a quarter of the file is free. True: it still is.
Result<bool> incremental_vacuum(Database& db);

}  // namespace postwain::qmgr
