// Files as every released schema left them are taken over with all that is in them.
#include <catch2/catch.hpp>

#include "common/base/file.h"

#include "common/ipc/judgements.h"
#include "queue-schema/history_migrations.h"
#include "queue-schema/migrations.h"

#include "qmgr/history/history_store.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

void make_from(const std::string& fixture, const std::string& path) {
  auto sql = read_small_file(POSTWAIN_SOURCE_DIR "/tests/unit/qmgr/fixtures/" + fixture);
  REQUIRE(sql.ok());
  auto db = Database::open(path, Database::Create::if_missing);
  REQUIRE(db.ok());
  REQUIRE(db->run(*sql).ok());
}

}  // namespace

TEST_CASE("there is a fixture of every schema before this one, and it becomes this one") {
  for (std::int64_t version = 1; version < queue_schema::schema_version(); ++version) {
    INFO("schema " << version);
    test::TempFolder folder;
    make_from("queue-" + std::to_string(version) + ".sql", folder.db());
    test::StoreUnderTest store(folder.db());
    REQUIRE(*store.database().ask("PRAGMA user_version") ==
            std::to_string(queue_schema::schema_version()));
    REQUIRE(*store.database().ask("PRAGMA integrity_check") == "ok");
    auto all = store.walk().list({}, mail::QueueId{INT64_MAX}, 10, 10);
    REQUIRE(all.ok());
    // From schema 8 on there are compact messages, too: of version 1, and the last one of schema 9
    // of version 2.
    REQUIRE(all->parts.size() == (version >= 8 ? 5 : 3));
    if (version >= 8) {
      std::size_t apart = version >= 9 ? 14 : 0;
      CHECK(store.content(104) == "Subject: x\r\n\r\nhello\r\n");
      CHECK(all->parts[4].info.in_file);
      CHECK(all->parts[4].info.header_size == apart);
      CHECK(all->parts[4].info.size_of_file() == 200000 - apart);
      CHECK(store.content(105).value_or("") == (apart > 0 ? "Subject: x\r\n\r\n" : ""));
    }
    for (const StoredMessage& one : all->parts) {
      if (one.info.id.value != 105) CHECK(one.info.header_size == 0);
      // Nobody knows any more who had brought it.
      CHECK(one.info.envelope.sign == mail::Signing::none);
    }
    const StoredMessage& first = all->parts.front();
    REQUIRE(first.info.envelope.envid == "env");
    REQUIRE(first.recipients.size() == 2);
    const StoredRecipient& b = first.recipients[1];
    REQUIRE(b.recipient.orcpt == "rfc822;b@example.org");
    REQUIRE(b.attempts == 2);
    REQUIRE(b.in_doubt);
    REQUIRE(b.last.reply.one_line() == "451 4.2.0 not now");
    REQUIRE(b.crashes == 0);
    REQUIRE(all->parts[1].info.in_file);
    REQUIRE(all->parts[1].recipients[0].state == RecipientState::held);
    REQUIRE(all->parts[2].info.kind == MessageKind::notice);
    REQUIRE(store.content(101) == "Subject: x\n");
    REQUIRE(store->destinations().breakers("", 10)->size() == 1);
    if (version >= 2)
      REQUIRE(store->destinations().suspensions("", 10)->front().reason == "maintenance");
    if (version >= 5)
      REQUIRE(store->recipient_checks().list("", 10)->front().address == "a@example.org");
    // And it works: what was waiting is due, what is written stays.
    auto due = store.due("mx:example.org", test::at(60000), 10);
    REQUIRE(due.rows.size() == 2);
    store.note({ClockFact(LastSeen{test::at(0)})});
    REQUIRE(store->clock().read()->last_seen == test::at(0));
  }
}

TEST_CASE("a history of every schema is taken over") {
  for (std::int64_t version = 1; version <= queue_schema::kHistorySchemaVersion; ++version) {
    INFO("schema " << version);
    test::TempFolder folder;
    std::string path = folder.path() + "/history.db";
    make_from("history-" + std::to_string(version) + ".sql", path);
    auto store = HistoryStore::open(path);
    INFO((store ? std::string() : store.error().text));
    REQUIRE(store.ok());
    auto found = store->find(mail::QueueId{4194304001}.text(), 5);
    REQUIRE(found.ok());
    REQUIRE(found->size() == 1);
    REQUIRE(found->front().recipients.at(0).events.at(0).reply == "250 2.0.0 ok");
    REQUIRE(found->front().srs == (version >= 9));
    REQUIRE(found->front().recipients.at(0).events.at(0).signing ==
            (version >= 9 ? "signed rsa-sha256:s2026a:example.com" : ""));
    const auto& events = found->front().recipients.at(0).events;
    REQUIRE(events.size() == (version >= 10 ? 2 : 1));
    if (version >= 10) REQUIRE(events.at(1).kind == HistoryKind::adopted);
    auto judged = ipc::decode_judgements(found->front().judgements);
    REQUIRE(judged);
    REQUIRE(judged->list.size() == (version >= 8 ? 1 : 0));
    if (version >= 8) REQUIRE(judged->list[0].scores.at(0).name == "BAYES_SPAM");
  }
}
