// The store: what goes in comes out, every request for itself, nothing twice.
#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "qmgr/model/list_filter.h"
#include "qmgr/store/sqlite/store.h"
#include "tests/unit/qmgr/store_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::make_message;
using test::put;
using test::removal;
using test::settle;

namespace {

RecipientChange deferral(std::uint32_t index, std::int64_t ms) {
  RecipientChange change;
  change.index = index;
  change.kind = ChangeKind::defer;
  change.destination = "mx:example.org";
  change.attempts = 1;
  change.next_attempt_at = at(ms);
  change.last = {at(1), mail::Stage::rcpt, {450, {4, 2, 1}, "greylisted"}, "mx.example.org"};
  return change;
}

std::size_t message_count(Store& store) {
  return store.list({}, mail::QueueId{INT64_MAX}, 1000, 1000)->slices.size();
}

}  // namespace

TEST_CASE("a list is read in pages that may end within a message") {
  test::Packing packing(GENERATE(false, true));
  test::TempFolder folder;
  auto opened = Store::open(folder.path() + "/queue.db");
  REQUIRE(opened.ok());
  Store store = opened.take();
  for (std::uint64_t id = 1; id <= 5; ++id) {
    std::vector<std::string> to;
    std::size_t count = id == 3 ? 25 : id;
    for (std::size_t i = 0; i < count; ++i) to.push_back("u" + std::to_string(i) + "@example.org");
    put(store, make_message(id, to));
  }
  for (std::size_t messages : {1, 2, 3, 100}) {
    for (std::size_t recipients : {1, 2, 7, 25, 30, 1000}) {
      std::vector<std::pair<std::uint64_t, std::uint32_t>> seen;
      ListCursor at;
      for (int pages = 0;; ++pages) {
        REQUIRE(pages < 100);
        auto page = store.list(at, mail::QueueId{4}, messages, recipients);
        REQUIRE(page.ok());
        std::size_t rows = 0;
        for (const StoredMessage& slice : page->slices) {
          rows += slice.recipients.size();
          for (const StoredRecipient& r : slice.recipients)
            seen.emplace_back(slice.info.id.value, r.index);
        }
        CHECK(rows <= recipients);
        at = page->next;
        if (page->end) break;
      }
      CHECK(seen.size() == 1 + 2 + 25 + 4);
      CHECK(std::is_sorted(seen.begin(), seen.end()));
      CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    }
  }
}

TEST_CASE("what no filter means is skimmed, in stretches of any length") {
  test::TempFolder folder;
  auto opened = Store::open(folder.path() + "/queue.db");
  REQUIRE(opened.ok());
  Store store = opened.take();
  const std::set<std::uint64_t> meant = {7, 8, 23};
  for (std::uint64_t id = 1; id <= 30; ++id) {
    std::string domain = meant.count(id) > 0 ? "@Wanted.test" : "@other.test";
    NewMessage message = make_message(id, {"a@other.test", "b@other.test", "c" + domain});
    if (meant.count(id) > 0)
      message.info.envelope.reverse_path = mail::Address::from_text("x@wanted.test");
    put(store, message);
  }
  ListFilter filter;
  filter.domain = "wanted.test.";
  filter.sender = "@WANTED.test";
  for (std::size_t rows : {1, 2, 3, 4, 10, 1000}) {
    for (bool senders : {false, true}) {
      std::set<std::uint64_t> candidates;
      mail::QueueId after;
      for (int turns = 0; after.value < 28; ++turns) {
        REQUIRE(turns < 200);
        mail::QueueId former = after;
        Result<bool> found =
            senders ? store.skim_senders(after, mail::QueueId{28}, rows,
                                         [&](auto text) { return filter.may_match_sender(text); })
                    : store.skim_recipients(
                          after, mail::QueueId{28}, rows,
                          [&](std::string_view text) { return filter.may_match(text); },
                          [&](RecipientState state, std::uint32_t tried) {
                            return filter.may_match(state, tried);
                          });
        REQUIRE(found.ok());
        CHECK(after >= former);
        if (!*found) continue;
        after.value += 1;  // the message to look at; the walk goes on behind it
        candidates.insert(after.value);
      }
      // Never one too few; with long stretches hardly one too many.
      CHECK(std::includes(candidates.begin(), candidates.end(), meant.begin(), meant.end()));
      if (rows == 1000 || senders) CHECK(candidates == meant);
    }
  }
}

TEST_CASE("a message comes back as it was accepted, also after closing") {
  test::Packing packing(GENERATE(false, true));
  test::TempFolder folder;
  NewMessage message = make_message(42, {"a@example.org", "b@example.org"});
  message.info.envelope.envid = "env 1";
  message.info.envelope.ret = mail::DsnReturn::headers;
  message.info.envelope.body = mail::BodyType::eight_bit_mime;
  message.info.envelope.smtputf8 = true;
  message.info.envelope.require_tls = true;
  message.info.eight_bit = true;
  message.recipients[1].recipient.notify.bits = mail::Notify::success | mail::Notify::delay;
  message.recipients[1].recipient.orcpt = "rfc822;B@example.org";
  message.content += std::string("\0\xff binary", 9);
  {
    auto store = Store::open(folder.db());
    REQUIRE(put(*store, message) == Accepted::stored);
  }
  auto store = Store::open(folder.db());
  REQUIRE(store.ok());
  auto found = store->message(mail::QueueId{42}, 0, 100);
  REQUIRE(found.ok());
  REQUIRE(found->has_value());
  const StoredMessage& m = **found;
  REQUIRE(m.info.envelope.reverse_path.text() == "sender@example.com");
  REQUIRE(m.info.envelope.envid == "env 1");
  REQUIRE(m.info.envelope.ret == mail::DsnReturn::headers);
  REQUIRE(m.info.envelope.body == mail::BodyType::eight_bit_mime);
  REQUIRE(m.info.envelope.smtputf8);
  REQUIRE(m.info.envelope.require_tls);
  REQUIRE_FALSE(m.info.envelope.tls_required_no);
  REQUIRE(m.info.eight_bit);
  REQUIRE(m.info.arrival.client_address == "192.0.2.7");
  REQUIRE(m.info.arrival.received_at == at(0));
  REQUIRE(m.recipients.size() == 2);
  REQUIRE(m.recipients[1].recipient == message.recipients[1].recipient);
  REQUIRE(*store->content(mail::QueueId{42}, 0, 1 << 20) == message.content);
  REQUIRE(*store->content(mail::QueueId{42}, 3, 5) == message.content.substr(3, 5));
  REQUIRE(*store->content(mail::QueueId{43}, 0, 5) == std::nullopt);
}

TEST_CASE("one id is stored once; another message under it is refused") {
  test::Packing packing(GENERATE(false, true));
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  NewMessage message = make_message(7, {"a@example.org"});
  REQUIRE(put(*store, message) == Accepted::stored);
  REQUIRE(put(*store, message) == Accepted::duplicate);
  message.info.arrival.received_at = at(5);
  REQUIRE(put(*store, message) == Accepted::conflict);
  REQUIRE(message_count(*store) == 1);
  REQUIRE((*store->message(mail::QueueId{7}, 0, 10))->recipients.size() == 1);
}

TEST_CASE("a request the schema refuses does not harm the others of its transaction") {
  test::Packing packing(GENERATE(false, true));
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  REQUIRE(store->begin().ok());
  REQUIRE(store->accept(make_message(1, {"a@example.org"}), at(0)).ok());
  NewMessage bad = make_message(2, {"good@example.org", std::string(2000, 'x')});
  REQUIRE_FALSE(store->accept(bad, at(0)).ok());
  REQUIRE(store->in_transaction());
  REQUIRE(store->accept(make_message(3, {"c@example.org"}), at(0)).ok());
  REQUIRE(store->commit().ok());
  REQUIRE(message_count(*store) == 2);
  REQUIRE_FALSE((*store->message(mail::QueueId{2}, 0, 10)).has_value());
  REQUIRE(*store->content(mail::QueueId{2}, 0, 10) == std::nullopt);
}

TEST_CASE("a refused message under an id that is taken does not take the other with it") {
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  REQUIRE(put(*store, make_message(2, {"a@example.org"})) == Accepted::stored);
  NewMessage bad = make_message(2, {"good@example.org", std::string(2000, 'x')});
  bad.info.envelope.envid = std::string(2000, 'x');  // refused before the id is looked at
  REQUIRE(store->begin().ok());
  REQUIRE_FALSE(store->accept(bad, at(0)).ok());
  bad.info.envelope.envid.clear();
  REQUIRE(*store->accept(bad, at(0)) != Accepted::stored);
  REQUIRE(store->commit().ok());
  REQUIRE((*store->message(mail::QueueId{2}, 0, 10))->recipients.size() == 1);
  REQUIRE(*store->content(mail::QueueId{2}, 0, 10) != std::nullopt);
}

TEST_CASE("whoever is believed to be all that is left is removed, and nobody else") {
  test::Packing packing(GENERATE(false, true));
  struct {
    std::vector<std::uint32_t> there, removed;
    bool whole;
  } rows[] = {
      {{0}, {0}, true},           {{0, 1, 2}, {0, 1, 2}, true}, {{0, 1, 2}, {2, 0, 1}, true},
      {{0, 1, 2}, {0, 1}, false}, {{0, 1, 2}, {1, 2}, false},   {{0, 1, 2, 3}, {0, 3}, false},
      {{0, 2}, {0, 2}, true},     {{0, 2}, {0, 1}, false},      {{1, 3}, {2}, false},
      {{0, 1}, {5}, false},       {{1, 2}, {0, 1, 2}, true},    {{0, 1, 3}, {0, 1, 2}, false},
  };
  for (const auto& row : rows) {
    test::TempFolder folder;
    auto store = Store::open(folder.db());
    std::vector<std::string> addresses;
    for (int i = 0; i < 6; ++i) addresses.push_back("a" + std::to_string(i) + "@example.org");
    put(*store, make_message(9, addresses));
    put(*store, make_message(10, addresses));
    Settlement before{mail::QueueId{9}, {}, {}};
    for (std::uint32_t i = 0; i < 6; ++i)
      if (std::find(row.there.begin(), row.there.end(), i) == row.there.end())
        before.changes.push_back(removal(i));
    settle(*store, before);
    Settlement end{mail::QueueId{9}, {}, {}, true, false};
    for (std::uint32_t i : row.removed) end.changes.push_back(removal(i));
    Settled settled = settle(*store, end);
    CAPTURE(row.there, row.removed);
    CHECK(settled.message_removed == row.whole);
    CHECK((*store->message(mail::QueueId{9}, 0, 10)).has_value() != row.whole);
    CHECK((*store->content(mail::QueueId{9}, 0, 10) == std::nullopt) == row.whole);
    for (std::uint32_t i : settled.changed)
      CHECK(std::find(row.there.begin(), row.there.end(), i) != row.there.end());
    CHECK((*store->message(mail::QueueId{10}, 0, 10))->recipients.size() == 6);
  }
}

TEST_CASE("a message goes with its last recipient, its content with it") {
  test::Packing packing(GENERATE(false, true));
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  put(*store, make_message(9, {"a@example.org", "b@example.org"}));
  Settled first = settle(*store, {mail::QueueId{9}, {removal(0)}, {}});
  REQUIRE(first.changed == std::vector<std::uint32_t>{0});
  REQUIRE_FALSE(first.message_removed);
  Settled again = settle(*store, {mail::QueueId{9}, {removal(0)}, {}});
  REQUIRE(again.changed.empty());
  Settled last = settle(*store, {mail::QueueId{9}, {removal(1)}, {}});
  REQUIRE(last.message_removed);
  REQUIRE_FALSE(last.content_file_removed);
  REQUIRE(message_count(*store) == 0);
  REQUIRE(*store->content(mail::QueueId{9}, 0, 10) == std::nullopt);
}

TEST_CASE("deferred rows come back when they are due, earliest first") {
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  put(*store, make_message(1, {"a@example.org", "b@example.org", "c@example.org"}));
  put(*store, make_message(2, {"d@example.net"}, "mx:example.net"));
  settle(*store, {mail::QueueId{1}, {deferral(0, 3000), deferral(1, 1000), deferral(2, 2000)}, {}});

  auto none = store->due("mx:example.org", at(500), 10);
  REQUIRE(none->rows.empty());
  REQUIRE(none->next_due == at(1000));
  auto two = store->due("mx:example.org", at(2500), 10);
  REQUIRE(two->rows.size() == 2);
  REQUIRE(two->rows[0].recipient.index == 1);
  REQUIRE(two->rows[1].recipient.index == 2);
  REQUIRE(two->messages.size() == 1);
  REQUIRE(two->next_due == at(3000));
  const StoredRecipient& r = two->rows[0].recipient;
  REQUIRE(r.attempts == 1);
  REQUIRE(r.last.reply.code == 450);
  REQUIRE(r.last.reply.enhanced.text() == "4.2.1");
  REQUIRE(r.last.remote_host == "mx.example.org");
  REQUIRE(r.last.stage == mail::Stage::rcpt);
  auto limited = store->due("mx:example.org", at(9000), 1);
  REQUIRE(limited->rows.size() == 1);
  REQUIRE(limited->next_due == at(1000));

  auto destinations = store->destinations({}, 10);
  REQUIRE(destinations->size() == 2);
  REQUIRE((*destinations)[0].destination == "mx:example.net");
  REQUIRE((*destinations)[1].due_at == at(1000));
}

TEST_CASE("held rows are not due until released") {
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  put(*store, make_message(1, {"a@example.org"}));
  RecipientChange hold;
  hold.kind = ChangeKind::hold;
  settle(*store, {mail::QueueId{1}, {hold}, {}});
  REQUIRE(store->due("mx:example.org", at(1000), 10)->rows.empty());
  REQUIRE(store->destinations({}, 10)->empty());
  RecipientChange release;
  release.kind = ChangeKind::release;
  release.next_attempt_at = at(5);
  settle(*store, {mail::QueueId{1}, {release}, {}});
  REQUIRE(store->due("mx:example.org", at(1000), 10)->rows.size() == 1);
}

TEST_CASE("the bounce appears with the failure or not at all, and once") {
  test::Packing packing(GENERATE(false, true));
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  put(*store, make_message(1, {"a@example.org", "b@example.org"}));
  NoticeOrder order;
  order.request.id = mail::QueueId{100};
  order.request.to = mail::Address::from_text("sender@example.com");
  order.request.hostname = "mx.test";
  order.request.now = at(10);
  order.request.original_size = 60;
  order.indices = {0, 1};
  for (const char* name : {"a@example.org", "b@example.org"}) {
    DsnRecipient r;
    r.recipient.address = mail::Address::from_text(name);
    r.reply = {550, {5, 1, 1}, "no such user"};
    order.request.recipients.push_back(r);
  }
  order.recipients.push_back({{order.request.to, {}, {}}, "mx:example.com"});
  // Recipient 0 is gone already: the notice must speak of recipient 1 only.
  settle(*store, {mail::QueueId{1}, {removal(0)}, {}});
  Settled settled = settle(*store, {mail::QueueId{1}, {removal(0), removal(1)}, {order}});
  REQUIRE(settled.notices.size() == 1);
  REQUIRE(settled.message_removed);
  const NewMessage& notice = settled.notices.front();
  REQUIRE(notice.content.find("b@example.org") != std::string::npos);
  REQUIRE(notice.content.find("a@example.org") == std::string::npos);
  REQUIRE(notice.content.find("Subject: test") != std::string::npos);
  auto stored = store->message(mail::QueueId{100}, 0, 10);
  REQUIRE((*stored)->info.envelope.reverse_path.is_null());
  REQUIRE((*stored)->info.kind == MessageKind::notice);
  REQUIRE((*stored)->recipients.at(0).recipient.address.text() == "sender@example.com");
  REQUIRE(*store->content(mail::QueueId{100}, 0, 1 << 20) == notice.content);

  order.request.id = mail::QueueId{101};
  Settled again = settle(*store, {mail::QueueId{1}, {removal(1)}, {order}});
  REQUIRE(again.notices.empty());
  REQUIRE(message_count(*store) == 1);

  // A notice that cannot be written takes the change back with it.
  put(*store, make_message(2, {"a@example.org"}));
  order.request.id = mail::QueueId{100};
  order.indices = {0};
  order.request.recipients.resize(1);
  REQUIRE(store->begin().ok());
  REQUIRE_FALSE(store->settle({mail::QueueId{2}, {removal(0)}, {order}}, nullptr, nullptr).ok());
  REQUIRE(store->commit().ok());
  REQUIRE((*store->message(mail::QueueId{2}, 0, 10))->recipients.size() == 1);
}

TEST_CASE("breakers are kept, counting goes stretch by stretch, lists page by key") {
  test::Packing packing(GENERATE(false, true));
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  REQUIRE(store->put_breaker({"mx:a", 1, at(0), at(60), "down"}).ok());
  REQUIRE(store->put_breaker({"mx:a", 2, at(0), at(90), "still down"}).ok());
  REQUIRE(store->put_breaker({"mx:b", 1, at(0), at(60), "down"}).ok());
  REQUIRE(store->remove_breaker("mx:b").ok());
  auto breakers = store->breakers({}, 10);
  REQUIRE(breakers->size() == 1);
  REQUIRE(breakers->front().opens == 2);
  REQUIRE(breakers->front().reason == "still down");

  for (std::uint64_t id = 1; id <= 25; ++id)
    put(*store, make_message(id, {"a@example.org", "b@example.org"}));
  REQUIRE(store->last_id()->value == 25);
  Counts counts;
  mail::QueueId cursor;
  int stretches = 0;
  for (;; ++stretches) {
    auto end = store->count(cursor, mail::QueueId{25}, 10, counts);
    REQUIRE(end.ok());
    if (!*end) break;
    cursor = **end;
  }
  REQUIRE(stretches == (test::Packing::on() ? 1 : 3));
  REQUIRE(counts.messages == 25);
  REQUIRE(counts.recipients() == 50);
  REQUIRE(counts.groups.size() == 1);
  REQUIRE(counts.groups[0].state == QueueState::queued);
  Settlement some{mail::QueueId{3}, {}, {}};
  RecipientChange held;
  held.kind = ChangeKind::hold;
  RecipientChange later;
  later.index = 1;
  later.kind = ChangeKind::defer;
  later.attempts = 1;
  later.destination = "smtp:other.example:25";
  some.changes = {held, later};
  REQUIRE(store->begin().ok());
  REQUIRE(store->settle(some, nullptr, nullptr).ok());
  REQUIRE(store->commit().ok());
  Counts again;
  REQUIRE(store->count({}, mail::QueueId{25}, 100, again).ok());
  REQUIRE(again.recipients() == 50);
  std::map<std::string, std::int64_t> by_state;
  for (const Counts::Group& group : again.groups)
    by_state[group.way + ' ' + std::string(name_of(group.state))] += group.recipients;
  REQUIRE(by_state.size() == 3);
  REQUIRE(by_state["smtp:other.example:25 deferred"] == 1);
  REQUIRE(store->first_id()->value == 1);
  auto page = store->list({mail::QueueId{20}, {}, 0}, mail::QueueId{25}, 3, 100);
  REQUIRE(page->slices.size() == 3);
  REQUIRE(page->slices.front().info.id.value == 21);
}

TEST_CASE("checkpoints empty the log") {
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  for (std::uint64_t id = 1; id <= 50; ++id) put(*store, make_message(id, {"a@example.org"}));
  REQUIRE(store->wal_bytes() > 100000);
  REQUIRE(store->checkpoint(Store::Checkpoint::passive).ok());
  REQUIRE(store->wal_bytes() == 0);
  put(*store, make_message(60, {"a@example.org"}));
  REQUIRE(store->wal_bytes() < 100000);
  REQUIRE(store->checkpoint(Store::Checkpoint::truncate).ok());
  REQUIRE(message_count(*store) == 51);
}

TEST_CASE("what is known of recipients and domains comes back as it was kept") {
  test::TempFolder folder;
  {
    auto store = Store::open(folder.db());
    REQUIRE(store->begin().ok());
    REQUIRE(store
                ->put_recipient_check(
                    {"a@example.org", false, {550, {5, 101, 111}, "user unknown"}, at(5)})
                .ok());
    mail::StsPolicy policy;
    policy.id = "20261127";
    policy.mode = mail::StsPolicy::Mode::enforce;
    policy.hosts = {"*.a-long-name-that-is-allocated.example.org", "mx.example.net"};
    policy.max_age = 86400;
    policy.fetched_at = at(7);
    REQUIRE(store->put_sts_policy("example.org", policy).ok());
    policy.fetched_at = at(1);
    REQUIRE(store->put_sts_policy("old.example", policy).ok());
    REQUIRE(store->remove_sts_policies_before(at(2)).ok());
    REQUIRE(store->commit().ok());
  }
  auto store = Store::open(folder.db());
  auto checks = store->recipient_checks("", 10);
  REQUIRE(checks->size() == 1);
  CHECK(checks->front().reply.one_line() == "550 5.101.111 user unknown");
  CHECK(checks->front().at == at(5));
  auto policies = store->sts_policies("", 10);
  REQUIRE(policies->size() == 1);
  CHECK(policies->front().domain == "example.org");
  CHECK(policies->front().policy.id == "20261127");
  CHECK(policies->front().policy.hosts.size() == 2);
  CHECK(policies->front().policy.lists("mx.a-long-name-that-is-allocated.example.org"));
  CHECK(policies->front().policy.fetched_at == at(7));
  CHECK(policies->front().policy.mode == mail::StsPolicy::Mode::enforce);
}

TEST_CASE("at the end of an outage what it deferred is due, and nothing else") {
  test::TempFolder folder;
  auto store = Store::open(folder.db());
  put(*store, make_message(1, {"a@example.org", "b@example.org", "c@example.org"}));
  Settlement settlement;
  settlement.id = mail::QueueId{1};
  RecipientChange unreachable = deferral(0, 60000);
  unreachable.last.stage = mail::Stage::connect;
  settlement.changes = {unreachable, deferral(1, 60000)};  // the second was greylisted
  REQUIRE(store->begin().ok());
  REQUIRE(store->settle(settlement, nullptr, nullptr).ok());
  REQUIRE(store->bring_forward("mx:other.example", at(10), 100).ok());
  REQUIRE(store->bring_forward("mx:example.org", at(10), 100).ok());
  REQUIRE(store->commit().ok());
  auto due = store->due("mx:example.org", at(10), 10);
  REQUIRE(due->rows.size() == 2);
  std::set<std::uint32_t> who;
  for (const auto& row : due->rows) who.insert(row.recipient.index);
  CHECK(who == std::set<std::uint32_t>{0, 2});
}
