// The schema: schema.sql is what the migrations make; every statement is a search by index.
#include <functional>
#include <set>

#include <catch2/catch.hpp>

#include "common/base/file.h"

#include "queue-schema/history_migrations.h"
#include "queue-schema/migrations.h"

#include "qmgr/history/history_store.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

// White space and comments do not count.
std::string squeezed(const std::string& sql) {
  std::string out;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql.compare(i, 2, "--") == 0) {
      while (i < sql.size() && sql[i] != '\n') ++i;
      continue;
    }
    if (std::isspace(static_cast<unsigned char>(sql[i])) == 0) out += sql[i];
  }
  return out;
}

std::set<std::string> objects(Database& db) {
  auto statement = Statement::prepare(db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL");
  REQUIRE(statement.ok());
  std::set<std::string> out;
  Use use(*statement);
  while (use.step() == Use::Step::row) out.insert(squeezed(use.text()));
  return out;
}

std::string plan_of(Database& db, const std::string& sql) {
  auto statement = Statement::prepare(db, "EXPLAIN QUERY PLAN " + sql);
  INFO(sql);
  REQUIRE(statement.ok());
  Use use(*statement);
  std::string out;
  while (use.step() == Use::Step::row) {
    use.number();
    use.number();
    use.number();
    out += use.text() + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("schema.sql and the migrations give the same schema") {
  test::TempFolder folder;
  auto store = SqliteStore::open(folder.db());
  REQUIRE(store.ok());
  auto readable = Database::open(folder.path() + "/readable.db", Database::Create::if_missing);
  REQUIRE(readable.ok());
  auto text = read_small_file(POSTWAIN_SOURCE_DIR "/queue-schema/schema.sql");
  REQUIRE(text.ok());
  REQUIRE(readable->run(*text).ok());

  REQUIRE(objects((*store)->database()) == objects(*readable));
  for (const char* pragma : {"PRAGMA application_id", "PRAGMA user_version"}) {
    INFO(pragma);
    REQUIRE(*(*store)->database().ask(pragma) == *readable->ask(pragma));
  }
}

TEST_CASE("history_schema.sql and the migrations give the same schema") {
  test::TempFolder folder;
  auto opened = HistoryStore::open(folder.path() + "/history.db");
  REQUIRE(opened.ok());
  HistoryStore store = opened.take();
  auto readable = Database::open(folder.path() + "/readable.db", Database::Create::if_missing);
  REQUIRE(readable.ok());
  auto text = read_small_file(POSTWAIN_SOURCE_DIR "/queue-schema/history_schema.sql");
  REQUIRE(text.ok());
  REQUIRE(readable->run(*text).ok());
  REQUIRE(objects(store.database()) == objects(*readable));
  for (const char* pragma : {"PRAGMA application_id", "PRAGMA user_version"})
    REQUIRE(*store.database().ask(pragma) == *readable->ask(pragma));
  std::int64_t expected = 1;
  for (const auto& step : queue_schema::history_migrations()) REQUIRE(step.version == expected++);
  REQUIRE(expected - 1 == queue_schema::kHistorySchemaVersion);
}

TEST_CASE("migrations are numbered from 1 without gaps") {
  std::int64_t expected = 1;
  for (const auto& step : queue_schema::migrations()) REQUIRE(step.version == expected++);
}

TEST_CASE("no statement of daily work scans or sorts") {
  test::TempFolder folder;
  auto store = SqliteStore::open(folder.db());
  REQUIRE(store.ok());
  for (std::size_t i = 0; i < kSqlCount; ++i) {
    std::string sql = sql_text(static_cast<Sql>(i));
    if (sql.find("SAVEPOINT") != std::string::npos || sql.find("RELEASE") == 0 ||
        sql.find("ROLLBACK") == 0 || sql.find("BEGIN") == 0 || sql == "COMMIT")
      continue;
    std::string plan = plan_of((*store)->database(), sql);
    INFO(sql << "\n" << plan);
    // The counting statement scans its own bounded subquery.
    std::string rest = plan;
    if (auto at = rest.find("SCAN (subquery"); at != std::string::npos) rest.erase(at, 4);
    // One row of constants, written only if its subquery finds nothing.
    if (auto at = rest.find("SCAN CONSTANT ROW"); at != std::string::npos) rest.erase(at, 4);
    CHECK(rest.find("SCAN") == std::string::npos);
    CHECK(plan.find("TEMP B-TREE") == std::string::npos);
  }
  using std::string;
  REQUIRE(plan_of((*store)->database(), sql_text(Sql::due_recipients))
              .find("recipient_due (destination=? AND "
                    "(next_attempt_at,message_id,idx)>(?,?,?) AND next_attempt_at<?)") !=
          string::npos);
  REQUIRE(plan_of((*store)->database(), sql_text(Sql::next_destination))
              .find("recipient_due (destination>?)") != string::npos);
}

TEST_CASE("the store is opened as the guarantee demands") {
  test::TempFolder folder;
  auto store = SqliteStore::open(folder.db());
  REQUIRE(store.ok());
  struct {
    const char* pragma;
    const char* want;
  } rows[] = {
      {"journal_mode", "wal"},  {"synchronous", "2"},        {"locking_mode", "exclusive"},
      {"foreign_keys", "1"},    {"wal_autocheckpoint", "0"}, {"page_size", "4096"},
      {"auto_vacuum", "2"},     {"mmap_size", "0"},          {"secure_delete", "2"},
      {"cache_size", "-65536"}, {"temp_store", "2"},
  };
  for (const auto& row : rows) {
    INFO(row.pragma);
    REQUIRE(*(*store)->database().ask(std::string("PRAGMA ") + row.pragma) == row.want);
  }
}

TEST_CASE("a second opener is refused while the first lives") {
  test::TempFolder folder;
  auto first = SqliteStore::open(folder.db());
  REQUIRE(first.ok());
  auto second = SqliteStore::open(folder.db());
  REQUIRE_FALSE(second.ok());
  REQUIRE(second.error().kind == StoreError::Kind::busy);
}

TEST_CASE("foreign, newer and half-missing databases are refused") {
  test::TempFolder folder;
  {
    auto db = Database::open(folder.db(), Database::Create::if_missing);
    REQUIRE(db->run("CREATE TABLE other (a); PRAGMA application_id = 7").ok());
  }
  auto foreign = SqliteStore::open(folder.db());
  REQUIRE_FALSE(foreign.ok());
  REQUIRE(foreign.error().kind == StoreError::Kind::damaged);

  test::TempFolder newer;
  REQUIRE(SqliteStore::open(newer.db()).ok());
  {
    auto db = Database::open(newer.db(), Database::Create::never);
    REQUIRE(
        db->run("PRAGMA user_version = 999; UPDATE schema_info SET oldest_compatible = 999").ok());
  }
  auto refused = SqliteStore::open(newer.db());
  REQUIRE_FALSE(refused.ok());
  REQUIRE(refused.error().text.find("too old") != std::string::npos);
  {
    auto db = Database::open(newer.db(), Database::Create::never);
    REQUIRE(db->run("UPDATE schema_info SET oldest_compatible = 1").ok());
  }
  REQUIRE(SqliteStore::open(newer.db()).ok());

  test::TempFolder lost;
  {
    auto db = Database::open(lost.db() + "-wal", Database::Create::if_missing);
    REQUIRE(db->run("CREATE TABLE a (b)").ok());
  }
  REQUIRE_FALSE(SqliteStore::open(lost.db()).ok());
}

TEST_CASE("S1: the schema counts octets, and lets no NUL in") {
  test::TempFolder folder;
  test::StoreUnderTest store(folder.db());
  struct {
    const char* what;
    std::function<void(NewMessage&)> change;
    bool taken;
  } rows[] = {
      {"as it should be", [](NewMessage&) {}, true},
      {"an address of 1024 octets",
       [](NewMessage& m) {
         m.recipients[0].recipient.address = mail::Address("a", std::string(1022, 'x'));
       },
       true},
      {"one octet more",
       [](NewMessage& m) {
         m.recipients[0].recipient.address = mail::Address("a", std::string(1023, 'x'));
       },
       false},
      {"many octets behind NUL",
       [](NewMessage& m) {
         m.recipients[0].recipient.address =
             mail::Address(std::string("a\0", 2), std::string(5'000'000, 'x'));
       },
       false},
      {"characters of two octets",
       [](NewMessage& m) {
         std::string text;
         for (int i = 0; i < 600; ++i) text += "\xc3\xbc";
         m.recipients[0].recipient.orcpt = text;
       },
       false},
      {"NUL in the sender",
       [](NewMessage& m) {
         m.info.envelope.reverse_path = mail::Address(std::string("a\0", 2), "b.test");
       },
       false},
      {"NUL in the account", [](NewMessage& m) { m.info.arrival.account = std::string("a\0b", 3); },
       false},
      {"NUL in the destination",
       [](NewMessage& m) { m.recipients[0].destination = std::string("mx:a\0b", 6); }, false},
      {"an endless destination",
       [](NewMessage& m) { m.recipients[0].destination = std::string(4097, 'x'); }, false},
  };
  std::uint64_t id = 0;
  for (const auto& row : rows) {
    CAPTURE(row.what);
    NewMessage message = test::make_message(++id, {"b@example.net"});
    row.change(message);
    CHECK((store.put(message) == AcceptEnd::stored) == row.taken);
  }
  CHECK(*store.database().ask("SELECT count(*) FROM message") == "2");
  CHECK(*store.database().ask("SELECT count(*) FROM recipient") == "2");
}

TEST_CASE("S1: what lay in a value before there was a gate stands in nobody's way") {
  test::TempFolder folder;
  test::StoreUnderTest store(folder.db());
  NewMessage message = test::make_message(7, {"good@example.net", "b@example.net"});
  NewRecipient& bad = message.recipients[1];
  bad.recipient.address = mail::Address(std::string("a\0", 2), "b.test");
  bad.recipient.notify.bits = 200;
  bad.recipient.orcpt = std::string("rfc822;\0", 8);
  message.info.envelope.reverse_path = mail::Address(std::string("s\0", 2), "b.test");
  message.info.arrival.account = std::string("x\0y", 3);
  std::string value;
  encode_compact(value, message, test::at(0), message.content);
  auto record = decode_compact(message.info.id, value);
  REQUIRE(record);
  CHECK(record->message.info.envelope.reverse_path.is_null());
  CHECK(record->message.info.arrival.account == "x?y");
  CHECK(record->message.recipients[0].recipient.address.text() == "good@example.net");
  const mail::Recipient& mended = record->message.recipients[1].recipient;
  CHECK(mended.address.text() == "unreadable@damaged.invalid");
  CHECK(mended.notify.bits == 0);
  CHECK(mended.orcpt.empty());
  // And so it becomes rows.
  record->message.is_compact = false;
  record->message.content = message.content;
  CHECK(store.put(record->message) == AcceptEnd::stored);
}
