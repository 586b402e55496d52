// The history: records become timelines, are found by everything that names them, are forgotten in
// small steps; trouble with the file is no trouble for anybody else.
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "common/base/file.h"
#include "common/net/loop.h"

#include "qmgr/history/history.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

constexpr std::int64_t kQueueIdEpoch = 1577836800000;  // 2020-01-01

// Queue ids carry their time, and the history relies on it.
std::uint64_t id_at(WallTime time, std::uint64_t number = 0) {
  return static_cast<std::uint64_t>(to_unix_ms(time) - kQueueIdEpoch) << 22 | number;
}

std::string db_of(const test::TempFolder& folder) {
  return folder.path() + "/history.db";
}

HistoryStore opened(const std::string& path) {
  auto store = HistoryStore::open(path);
  if (!store) FAIL(store.error().text);
  return store.take();
}

EventRecord event(std::uint64_t id, std::uint32_t index, HistoryKind kind, WallTime when) {
  EventRecord record;
  record.id = mail::QueueId{id};
  record.index = index;
  record.kind = kind;
  record.at = to_unix_ms(when);
  return record;
}

std::string arrival(std::uint64_t id, std::vector<std::string> recipients, WallTime when,
                    std::string message_id = "<m@example.com>") {
  NewMessage message = test::make_message(id, std::move(recipients));
  message.info.arrival.received_at = when;
  std::string out;
  append_record(out, message, message_id);
  return out;
}

std::vector<Timeline> found(HistoryStore& store, const std::string& query, std::size_t limit = 20) {
  auto result = store.find(query, limit);
  if (!result) FAIL(result.error().text);
  return result.take();
}

void damage(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  REQUIRE(fd >= 0);
  REQUIRE(write_all(fd, std::string(20000, 'x')).ok());
  ::close(fd);
}

Result<std::vector<Timeline>> asked(net::Loop& loop, History& history, const std::string& query) {
  std::optional<Result<std::vector<Timeline>>> answer;
  history.find(query, 20, [&](Result<std::vector<Timeline>> result) {
    answer.emplace(std::move(result));
    loop.stop();
  });
  loop.run();
  REQUIRE(answer);
  return std::move(*answer);
}

}  // namespace

TEST_CASE("records come back as timelines, in order, per recipient") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  std::uint64_t id = id_at(test::at(0));
  std::string records = arrival(id, {"a@example.org", "b@example.org"}, test::at(0));
  EventRecord deferred = event(id, 0, HistoryKind::deferred, test::at(100));
  deferred.stage = mail::Stage::rcpt;
  deferred.began_at = to_unix_ms(test::at(40));
  deferred.next_attempt_at = to_unix_ms(test::at(60100));
  deferred.code = 451;
  deferred.enhanced = {4, 7, 1};
  deferred.text = "Greylisted";
  deferred.host = "mx.example.org";
  deferred.host_address = "192.0.2.25:25";
  deferred.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
  deferred.why = "1m after attempt 1";
  deferred.signing = "signed rsa-sha256:s:example.org";
  append_record(records, deferred);
  EventRecord delivered = event(id, 1, HistoryKind::delivered, test::at(100));
  delivered.code = 250;
  delivered.enhanced = {2, 0, 0};
  delivered.text = "Ok: queued as 4ABC";
  append_record(records, delivered);
  REQUIRE(store.write(records, test::at(200)).ok());

  std::string later;
  EventRecord doubt = event(id, 0, HistoryKind::in_doubt, test::at(300));
  doubt.in_doubt = true;
  append_record(later, doubt);
  REQUIRE(store.write(later, test::at(400)).ok());

  auto messages = found(store, mail::QueueId{id}.text());
  REQUIRE(messages.size() == 1);
  const Timeline& m = messages[0];
  CHECK(m.known);
  CHECK(m.received_at == test::at(0));
  CHECK(m.sender == "sender@example.com");
  CHECK(m.message_id == "<m@example.com>");
  CHECK(m.client_address == "192.0.2.7");
  CHECK(m.protocol == "ESMTP");
  CHECK(m.size > 0);
  REQUIRE(m.recipients.size() == 2);
  CHECK(m.recipients[0].address == "a@example.org");
  CHECK(m.recipients[0].destination == "mx:example.org");
  REQUIRE(m.recipients[0].events.size() == 2);
  const TimelineEvent& first = m.recipients[0].events[0];
  CHECK(first.kind == HistoryKind::deferred);
  CHECK(first.stage == mail::Stage::rcpt);
  CHECK(first.reply == "451 4.7.1 Greylisted");
  CHECK(first.host == "mx.example.org");
  CHECK(first.signing == "signed rsa-sha256:s:example.org");
  CHECK(first.address == "192.0.2.25:25");
  CHECK(first.tls == "TLSv1.3 TLS_AES_256_GCM_SHA384");
  CHECK(first.began_at == test::at(40));
  CHECK(first.next_attempt_at == test::at(60100));
  CHECK(first.why == "1m after attempt 1");
  CHECK(m.recipients[0].events[1].in_doubt);
  REQUIRE(m.recipients[1].events.size() == 1);
  CHECK(m.recipients[1].events[0].kind == HistoryKind::delivered);
}

TEST_CASE("a message is found by everything that names it") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  std::uint64_t id = id_at(test::at(0));
  std::string records =
      arrival(id, {"Ann@Example.org", "bob@example.org"}, test::at(0), "<Unique.1@example.com>");
  EventRecord delivered = event(id, 0, HistoryKind::delivered, test::at(5));
  delivered.code = 250;
  delivered.text = "2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9F2C1";
  append_record(records, delivered);
  REQUIRE(store.write(records, test::at(10)).ok());
  REQUIRE(store
              .write(arrival(id + 1, {"other@example.net"}, test::at(0), "<2@example.com>"),
                     test::at(10))
              .ok());

  for (const char* query : {"Unique.1@example.com", "<Unique.1@example.com>", "9F2C1"}) {
    INFO(query);
    auto messages = found(store, query);
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].id.value == id);
    CHECK(messages[0].recipients.size() == 2);
  }
  // Of a recipient only he is shown; letter case is not looked at.
  auto for_ann = found(store, "ann@EXAMPLE.org");
  REQUIRE(for_ann.size() == 1);
  REQUIRE(for_ann[0].recipients.size() == 1);
  CHECK(for_ann[0].recipients[0].address == "Ann@Example.org");
  CHECK(found(store, "<bob@example.org>").size() == 1);
  // Newest first, and not more than asked for.
  auto sent = found(store, "sender@example.com");
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].id.value == id + 1);
  CHECK(found(store, "sender@example.com", 1).size() == 1);
  for (const char* query : {"nobody@example.org", "unique.1@example.com", "9F2C", "", "<>"})
    CHECK(found(store, query).empty());
}

TEST_CASE("many segments: the newest messages first, each once") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  constexpr std::uint64_t kDays = 5;
  for (std::uint64_t day = 0; day < kDays; ++day) {
    WallTime when = test::at(0) + std::chrono::hours(25 * day);
    std::string records;
    for (std::uint64_t i = 0; i < 3; ++i)
      records += arrival(id_at(when, i), {"x@example.org"}, when);
    REQUIRE(store.write(records, when).ok());
  }
  CHECK(*store.database().ask("SELECT count(*) FROM segment") == std::to_string(kDays));
  auto all = found(store, "x@example.org", 100);
  REQUIRE(all.size() == 3 * kDays);
  for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i - 1].id > all[i].id);
  auto newest = found(store, "x@example.org", 4);
  REQUIRE(newest.size() == 4);
  CHECK(newest[3].id == all[3].id);
}

TEST_CASE("an event without an arrival is kept, and found") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  EventRecord lone = event(id_at(test::at(0)), 3, HistoryKind::deferred, test::at(9));
  lone.recipient = "late@example.org";
  lone.destination = "mx:example.org";
  std::string records;
  append_record(records, lone);
  append_record(records, lone);
  REQUIRE(store.write(records, test::at(10)).ok());
  auto messages = found(store, "late@example.org");
  REQUIRE(messages.size() == 1);
  CHECK_FALSE(messages[0].known);
  REQUIRE(messages[0].recipients.size() == 1);
  CHECK(messages[0].recipients[0].index == 3);
  CHECK(messages[0].recipients[0].events.size() == 2);
}

TEST_CASE("numbers of events go on after a restart") {
  test::TempFolder folder;
  std::uint64_t id = id_at(test::at(0));
  for (int run = 0; run < 3; ++run) {
    HistoryStore store = opened(db_of(folder));
    std::string records = run == 0 ? arrival(id, {"a@example.org"}, test::at(0)) : std::string();
    EventRecord one = event(id, 0, HistoryKind::deferred, test::at(-run));  // a clock set back
    std::string why = std::to_string(run);
    one.why = why;
    append_record(records, one);
    REQUIRE(store.write(records, test::at(0)).ok());
  }
  HistoryStore store = opened(db_of(folder));
  auto messages = found(store, mail::QueueId{id}.text());
  REQUIRE(messages.size() == 1);
  REQUIRE(messages[0].recipients[0].events.size() == 3);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(messages[0].recipients[0].events[i].why == std::to_string(i));
}

TEST_CASE("pruning forgets in steps what is old and quiet") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  constexpr std::uint64_t kOld = 250;
  std::string records;
  for (std::uint64_t i = 0; i < kOld; ++i)
    records += arrival(id_at(test::at(0), i), {"x@example.org"}, test::at(0));
  REQUIRE(store.write(records, test::at(0)).ok());
  WallTime later = test::at(0) + std::chrono::hours(48);
  // One of the old ones was heard of since.
  std::string news = arrival(id_at(later), {"x@example.org"}, later);
  EventRecord retry = event(id_at(test::at(0), 7), 0, HistoryKind::deferred, later);
  retry.recipient = "x@example.org";
  append_record(news, retry);
  REQUIRE(store.write(news, later).ok());

  WallTime before = later - std::chrono::hours(1);
  int steps = 0;
  for (;; ++steps) {
    auto more = store.prune(before, 100);
    REQUIRE(more.ok());
    auto left = std::stoul(*store.database().ask("SELECT count(*) FROM message"));
    REQUIRE(left + 100 * (static_cast<std::size_t>(steps) + 1) > kOld);
    if (!*more) break;
    REQUIRE(steps < 20);
  }
  CHECK(steps >= 2);
  CHECK(*store.database().ask("SELECT count(*) FROM message") == "2");
  CHECK(*store.database().ask("SELECT count(*) FROM recipient") == "0");
  CHECK(*store.database().ask("SELECT count(*) FROM event") == "1");
  CHECK(found(store, "x@example.org", 100).size() == 2);
  // The old segment goes when the one behind it is old as well.
  auto more = store.prune(later + std::chrono::hours(1), 10000);
  while (more.ok() && *more) more = store.prune(later + std::chrono::hours(1), 10000);
  REQUIRE(more.ok());
  CHECK(*store.database().ask("SELECT count(*) FROM message") == "0");
  CHECK(*store.database().ask("SELECT count(*) FROM segment") == "1");
}

TEST_CASE("receive 11: what was refused is found by address and client, and forgotten in steps") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  auto refused = [](std::string_view client, std::string_view sender, std::string_view recipient,
                    WallTime at) {
    RefusalRecord record;
    record.at = to_unix_ms(at);
    record.count = 3;
    record.client = client;
    record.name = "my laptop";
    record.listener = "0.0.0.0:25";
    record.sender = sender;
    record.recipient = recipient;
    record.stage = "RCPT";
    record.code = 550;
    record.enhanced = {5, 1, 1};
    record.text = "user unknown";
    record.reason = "not listed";
    std::string out;
    append_record(out, record);
    return out;
  };
  std::string records = refused("192.0.2.1", "a@x.org",
                                "Gone@B\xC3\xBC"
                                "cher.example",
                                test::at(0));
  records += refused("192.0.2.1", "", "", test::at(1));
  records += arrival(id_at(test::at(0)), {"b@example.org"}, test::at(0));
  records += refused("192.0.2.2", "self@x.org", "self@x.org", test::at(2));
  REQUIRE(store.write(records, test::at(2)).ok());
  auto found_by = [&](const char* address, const char* client) {
    auto result = store.find_refusals(address, client, 20);
    REQUIRE(result.ok());
    return result.take();
  };
  auto one = found_by("gone@XN--BCHER-KVA.example.", "");
  REQUIRE(one.size() == 1);
  CHECK(one[0].reply == "550 5.1.1 user unknown");
  CHECK(one[0].count == 3);
  CHECK(one[0].client_name == "my laptop");
  CHECK(one[0].at == test::at(0));
  CHECK(found_by("<A@X.org>", "").size() == 1);
  CHECK(found_by("self@x.org", "").size() == 1);
  CHECK(found_by("", "").empty());
  CHECK(found_by("b@example.org", "").empty());
  auto client = found_by("", "192.0.2.1");
  REQUIRE(client.size() == 2);
  CHECK(client[0].at == test::at(1));  // the newest first
  CHECK(found_by("a@x.org", "192.0.2.2").empty());
  CHECK(found(store, "b@example.org").size() == 1);
  auto more = store.prune(test::at(2), 100);
  REQUIRE(more.ok());
  CHECK(*store.database().ask("SELECT count(*) FROM refusal") == "1");
  // Bounded in number, too.
  REQUIRE(store.database()
              .run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                   "WHERE i < 101500) INSERT INTO refusal SELECT i + 10, 9000000000000000, 1, '', "
                   "'', '', '', "
                   "'', '', '', '', 0, 0, x'' FROM n")
              .ok());
  int steps = 0;
  while (*store.prune(test::at(3), 100) && steps < 50) ++steps;
  CHECK(*store.database().ask("SELECT count(*) FROM refusal") == std::to_string(kRefusalsMax));
}

TEST_CASE("no statement of the history reads a whole table") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  for (std::string_view sql : HistoryStore::statements()) {
    auto plan = Statement::prepare(store.database(), "EXPLAIN QUERY PLAN " + std::string(sql));
    INFO(sql);
    REQUIRE(plan.ok());
    Use use(*plan);
    while (use.step() == Use::Step::row) {
      use.number();
      use.number();
      use.number();
      std::string step = use.text();
      INFO(step);
      // The newest segment is the last entry of its table, taken without looking at the others;
      // what is read of a subquery is bounded by the subquery's LIMIT.
      bool harmless = step == "SCAN segment" || step.find("SUBQUERY") != std::string::npos ||
                      step.find("(subquery") != std::string::npos || step == "SCAN CONSTANT ROW";
      if (!harmless) CHECK(step.find("SCAN") == std::string::npos);
      CHECK(step.find("TEMP B-TREE") == std::string::npos);
    }
  }
}

TEST_CASE("the history's thread: told in passing, complete when asked") {
  test::TempFolder folder;
  net::Loop loop;
  {
    History history(loop, db_of(folder), std::chrono::hours(24));
    std::uint64_t id = id_at(wall_now());
    history.arrived(test::make_message(id, {"a@example.org"}), "<m@x>");
    history.happened(event(id, 0, HistoryKind::delivered, wall_now()));
    auto answer = asked(loop, history, "a@example.org");
    REQUIRE(answer.ok());
    REQUIRE(answer->size() == 1);
    CHECK((*answer)[0].recipients[0].events.size() == 1);
    CHECK(history.status().on);
    CHECK(history.status().dropped == 0);
    history.finish();
  }
  // Written, and readable by whoever opens the file later.
  HistoryStore store = opened(db_of(folder));
  CHECK(found(store, "<m@x>").size() == 1);
}

TEST_CASE("a full buffer drops events and counts them") {
  test::TempFolder folder;
  net::Loop loop;
  // Nobody reads it: its folder does not exist.
  History history(loop, folder.path() + "/missing/history.db", std::chrono::hours(24));
  std::string text(kHistoryTextMax, 'x');
  EventRecord one = event(1, 0, HistoryKind::deferred, test::at(0));
  one.text = text;
  constexpr std::uint64_t kTold = 2 * kHistoryBuffer / kHistoryTextMax;
  for (std::uint64_t i = 0; i < kTold; ++i) history.happened(one);
  HistoryStatus status = history.status();
  CHECK(status.waiting <= kHistoryBuffer + 1024);
  CHECK(status.dropped > 0);
  CHECK_FALSE(asked(loop, history, "a@example.org").ok());
  history.finish();
  CHECK(history.status().dropped == kTold);
}

TEST_CASE("a damaged history is moved aside") {
  test::TempFolder folder;
  damage(db_of(folder));
  net::Loop loop;
  History history(loop, db_of(folder), std::chrono::hours(24));
  std::uint64_t id = id_at(wall_now());
  history.arrived(test::make_message(id, {"a@example.org"}), {});
  auto answer = asked(loop, history, "a@example.org");
  REQUIRE(answer.ok());
  CHECK(answer->size() == 1);
  history.finish();
  CHECK(std::system(("ls " + folder.path() + "/history.db.damaged-* >/dev/null").c_str()) == 0);
}

TEST_CASE("a history that is switched off leaves nothing behind") {
  test::TempFolder folder;
  { HistoryStore store = opened(db_of(folder)); }
  net::Loop loop;
  History history(loop, db_of(folder), Duration(0));
  history.arrived(test::make_message(1, {"a@example.org"}), {});
  CHECK_FALSE(asked(loop, history, "a@example.org").ok());
  CHECK(history.status().waiting == 0);
  history.finish();
  CHECK(::access(db_of(folder).c_str(), F_OK) != 0);
}

TEST_CASE("of a message whose arrival was lost every recipient that is told of shows") {
  test::TempFolder folder;
  net::Loop loop;
  History history(loop, db_of(folder), std::chrono::hours(1));
  EventRecord event;
  event.id = mail::QueueId{77};
  event.at = to_unix_ms(wall_now());
  event.recipient = "a@example.org";
  history.happened(event);
  event.index = 1;
  event.recipient = "b@example.org";
  history.known(event);
  event.index = 1;
  event.recipient = {};
  event.kind = HistoryKind::in_doubt;
  history.happened(event);
  auto found = asked(loop, history, mail::QueueId{77}.text());
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  const Timeline& timeline = found->front();
  CHECK_FALSE(timeline.known);
  REQUIRE(timeline.recipients.size() == 2);
  CHECK(timeline.recipients[0].events.size() == 1);
  CHECK(timeline.recipients[1].address == "b@example.org");
  REQUIRE(timeline.recipients[1].events.size() == 1);
  CHECK(timeline.recipients[1].events[0].kind == HistoryKind::in_doubt);
}

TEST_CASE("what happened to many recipients at once is one row, and each finds it") {
  test::TempFolder folder;
  HistoryStore store = opened(db_of(folder));
  std::uint64_t id = id_at(test::at(0));
  std::vector<std::string> to;
  for (int i = 0; i < 50; ++i) to.push_back("u" + std::to_string(i) + "@example.org");
  std::string records = arrival(id, to, test::at(0));
  for (std::uint32_t i = 0; i < 50; ++i) {
    EventRecord one =
        event(id, i, i == 7 ? HistoryKind::deferred : HistoryKind::delivered, test::at(100));
    one.text = i == 20 ? "stored elsewhere" : "stored";
    append_record(records, one);
  }
  EventRecord again = event(id, 7, HistoryKind::delivered, test::at(500));
  append_record(records, again);
  REQUIRE(store.write(records, test::at(600)).ok());
  // 0-6, 7, 8-19, 20, 21-49, and 7 later.
  REQUIRE(*store.database().ask("SELECT count(*) FROM event") == "6");
  REQUIRE(*store.database().ask("SELECT count(*) FROM recipient") == "0");
  auto messages = found(store, mail::QueueId{id}.text());
  REQUIRE(messages.size() == 1);
  const Timeline& m = messages[0];
  REQUIRE(m.recipients.size() == 50);
  for (std::uint32_t i = 0; i < 50; ++i) {
    INFO(i);
    CHECK(m.recipients[i].index == i);
    CHECK(m.recipients[i].address == to[i]);
    CHECK(m.recipients[i].destination == "mx:example.org");
    REQUIRE(m.recipients[i].events.size() == (i == 7 ? 2 : 1));
    CHECK(m.recipients[i].events[0].reply == (i == 20 ? "stored elsewhere" : "stored"));
  }
  CHECK(m.recipients[7].events[0].kind == HistoryKind::deferred);
  CHECK(m.recipients[7].events[1].kind == HistoryKind::delivered);
  REQUIRE(found(store, "u33@example.org").size() == 1);
}
