// Opening the history database, and its statements.
#include <sqlite3.h>

#include "queue-schema/history_migrations.h"

#include "qmgr/history/history_store.h"
#include "qmgr/store/sqlite/database_setup.h"

namespace postwain::qmgr {

namespace {

constexpr const char* kHistorySettings[] = {
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 33554432",
    "PRAGMA cache_size = -16384",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cell_size_check = ON",
};

Status set_the_rest_of_history(Database& db) {
  harden(db);
  return run_all(db, kHistorySettings);
}

Status make_history_current(Database& db) {
  const FileIdentity identity{queue_schema::kHistoryApplicationId,
                              queue_schema::kHistorySchemaVersion, "history database",
                              queue_schema::history_migrations()};
  if (Status s = check_identity(db, identity); !s) return s;
  return migrate(db, identity);
}

}  // namespace

std::string_view HistoryStore::text_of(Sql which) {
  switch (which) {
    case Sql::begin:
      return "BEGIN IMMEDIATE";
    case Sql::commit:
      return "COMMIT";
    case Sql::roll_back:
      return "ROLLBACK";
    case Sql::put_message:
      return "INSERT OR REPLACE INTO message (id, known, received_at, sender, message_id, "
             "protocol, "
             "client_address, client_name, account, size, kind, require_tls, tls_required_no, "
             "part_of, given_sender, recipients, uid, srs) "
             "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)";
    case Sql::put_known_message:
      return "INSERT OR IGNORE INTO message (id, known, received_at, sender, message_id, protocol, "
             "client_address, client_name, account, size, kind) "
             "VALUES (?1,0,?2,'','','','','','',0,0)";
    case Sql::arrival_known:
      return "SELECT known FROM message WHERE id = ?1";
    case Sql::put_recipient:
      return "INSERT OR IGNORE INTO recipient (message_id, idx, address, destination, given) "
             "VALUES (?1,?2,?3,?4,?5)";
    case Sql::put_event:
      return "INSERT INTO event (message_id, number, idx, at, kind, stage, in_doubt, began_at, "
             "next_attempt_at, other_id, host, address, reply, tls, why, who, times, also, "
             "signing, newer_kind) "
             "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)";
    case Sql::put_lookup:
      return "INSERT OR IGNORE INTO lookup (segment, hash, message_id) VALUES (?1,?2,?3)";
    case Sql::put_segment:
      return "INSERT INTO segment (number, began_at) VALUES (?1,?2)";
    case Sql::last_segment:
      return "SELECT number, began_at FROM segment ORDER BY number DESC LIMIT 1";
    case Sql::segment_before:
      return "SELECT number FROM segment WHERE number < ?1 ORDER BY number DESC LIMIT 1";
    case Sql::segment_behind:
      return "SELECT number, began_at FROM segment WHERE number > ?1 ORDER BY number LIMIT 1";
    case Sql::look_up:
      return "SELECT message_id FROM lookup WHERE segment = ?1 AND hash = ?2 "
             "ORDER BY message_id DESC LIMIT ?3";
    case Sql::get_message:
      return "SELECT known, received_at, sender, message_id, protocol, client_address, "
             "client_name, account, size, kind, require_tls, tls_required_no, part_of, "
             "given_sender, recipients, uid, srs "
             "FROM message WHERE id = ?1";
    case Sql::get_recipients:
      return "SELECT idx, address, destination, given FROM recipient WHERE message_id = ?1 "
             "ORDER BY idx";
    case Sql::get_events:
      return "SELECT idx, at, kind, stage, in_doubt, began_at, next_attempt_at, other_id, host, "
             "address, reply, tls, why, who, times, also, signing, newer_kind FROM event "
             "WHERE message_id = ?1 ORDER BY number";
    case Sql::old_messages:
      return "SELECT id FROM message WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3";
    case Sql::last_event:
      return "SELECT at FROM event WHERE message_id = ?1 ORDER BY number DESC LIMIT 1";
    case Sql::remove_message:
      return "DELETE FROM message WHERE id = ?1";
    case Sql::remove_recipients:
      return "DELETE FROM recipient WHERE message_id = ?1";
    case Sql::remove_events:
      return "DELETE FROM event WHERE message_id = ?1";
    case Sql::remove_lookups:
      return "DELETE FROM lookup WHERE segment = ?1 AND hash <= (SELECT max(hash) FROM "
             "(SELECT hash FROM lookup WHERE segment = ?1 ORDER BY hash LIMIT ?2))";
    case Sql::remove_segment:
      return "DELETE FROM segment WHERE number = ?1";
    case Sql::put_refusal:
      return "INSERT INTO refusal (at, count, client, name, listener, sender, recipient, stage, "
             "reply, reason, sender_hash, recipient_hash, judgements) "
             "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)";
    case Sql::refusals_by_sender:
      return "SELECT number, at, count, client, name, listener, sender, recipient, stage, reply, "
             "reason, judgements FROM refusal WHERE sender_hash = ?1 ORDER BY number DESC LIMIT ?2";
    case Sql::refusals_by_recipient:
      return "SELECT number, at, count, client, name, listener, sender, recipient, stage, reply, "
             "reason, judgements FROM refusal WHERE recipient_hash = ?1 ORDER BY number DESC LIMIT "
             "?2";
    case Sql::refusals_by_client:
      return "SELECT number, at, count, client, name, listener, sender, recipient, stage, reply, "
             "reason, judgements FROM refusal WHERE client = ?1 ORDER BY number DESC LIMIT ?2";
    case Sql::first_refusal:
      return "SELECT number FROM refusal WHERE number > 0 ORDER BY number LIMIT 1";
    case Sql::last_refusal:
      return "SELECT number FROM refusal WHERE number > 0 ORDER BY number DESC LIMIT 1";
    case Sql::remove_refusals:
      return "DELETE FROM refusal WHERE number >= ?1 AND number < ?2 AND (at < ?3 OR number <= ?4)";
    case Sql::put_judgements:
      return "INSERT OR REPLACE INTO judgement (message_id, judgements) SELECT ?1, ?2 "
             "WHERE EXISTS (SELECT 1 FROM message WHERE id = ?1)";
    case Sql::get_judgements:
      return "SELECT judgements FROM judgement WHERE message_id = ?1";
    case Sql::remove_judgements:
      return "DELETE FROM judgement WHERE message_id = ?1";
    case Sql::count_:
      break;
  }
  return {};
}

std::vector<std::string_view> HistoryStore::statements() {
  std::vector<std::string_view> all;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Sql::count_); ++i)
    all.push_back(text_of(static_cast<Sql>(i)));
  return all;
}

Result<HistoryStore> HistoryStore::open(const std::string& path) {
  Result<Database> db = Database::open(path, Database::Create::if_missing);
  if (!db) return db.error();
  for (Status (*step)(Database&) :
       {&set_before_first_page, &set_the_rest_of_history, &make_history_current})
    if (Status s = step(*db); !s) return Error{path + ": " + s.error().text, s.error().code};
  // Numbers of this run are above those of all former ones, whatever the clock says.
  if (Status s = db->run("UPDATE schema_info SET runs = runs + 1"); !s) return s.error();
  Result<std::int64_t> runs = ask_number(*db, "SELECT runs FROM schema_info");
  if (!runs) return runs.error();
  HistoryStore store(db.take());
  store.next_event_ = (*runs << 32) + 1;
  if (Status s = store.prepare(); !s) return s.error();
  return store;
}

Status HistoryStore::prepare() {
  for (std::size_t i = 0; i < statements_.size(); ++i) {
    Result<Statement> statement = Statement::prepare(db_, text_of(static_cast<Sql>(i)));
    if (!statement) return statement.error();
    statements_[i] = statement.take();
  }
  auto note_size = [](void* context, sqlite3*, const char*, int pages) noexcept {
    *static_cast<std::int64_t*>(context) = std::int64_t{pages} * (4096 + 24);
    return SQLITE_OK;
  };
  sqlite3_wal_hook(db_.raw(), note_size, wal_bytes_.get());
  Use use(sql(Sql::last_segment));
  Use::Step step = use.step();
  if (step == Use::Step::failed) return error(Sql::last_segment);
  if (step == Use::Step::row) {
    segment_ = use.number();
    segment_began_ = from_unix_ms(use.number());
  }
  return {};
}

HistoryStore::~HistoryStore() {
  for (Statement& statement : statements_) statement = Statement();
}

Status HistoryStore::checkpoint_if_large() {
  if (*wal_bytes_ < kHistoryCheckpointBytes) return {};
  int code =
      sqlite3_wal_checkpoint_v2(db_.raw(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code != SQLITE_OK) return db_.error("checkpoint");
  *wal_bytes_ = 0;
  return {};
}

Status HistoryStore::vacuum_step() {
  Result<bool> more = incremental_vacuum(db_);
  return more ? Status() : Status(more.error());
}

}  // namespace postwain::qmgr
