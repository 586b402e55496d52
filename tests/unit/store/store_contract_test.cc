// The store: what goes in comes out, every request for itself, nothing twice.
#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "qmgr/model/list_filter.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::Engine;
using test::make_message;
using test::removal;

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

std::size_t message_count(test::StoreUnderTest& store) {
  return store.walk().list({}, mail::QueueId{INT64_MAX}, 1000, 1000)->parts.size();
}

}  // namespace

TEST_CASE("a list is read in pages that may end within a message") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  for (std::uint64_t id = 1; id <= 5; ++id) {
    std::vector<std::string> to;
    std::size_t count = id == 3 ? 25 : id;
    for (std::size_t i = 0; i < count; ++i) to.push_back("u" + std::to_string(i) + "@example.org");
    store.put(make_message(id, to));
  }
  for (std::size_t messages : {1, 2, 3, 100}) {
    for (std::size_t recipients : {1, 2, 7, 25, 30, 1000}) {
      std::vector<std::pair<std::uint64_t, std::uint32_t>> seen;
      ListCursor at;
      for (int pages = 0;; ++pages) {
        REQUIRE(pages < 100);
        auto page = store.walk().list(at, mail::QueueId{4}, messages, recipients);
        REQUIRE(page.ok());
        std::size_t rows = 0;
        for (const StoredMessage& slice : page->parts) {
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

TEST_CASE("what no filter means is skimmed, in windows of any length") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  const std::set<std::uint64_t> meant = {7, 8, 23};
  for (std::uint64_t id = 1; id <= 30; ++id) {
    std::string domain = meant.count(id) > 0 ? "@Wanted.test" : "@other.test";
    NewMessage message = make_message(id, {"a@other.test", "b@other.test", "c" + domain});
    if (meant.count(id) > 0)
      message.info.envelope.reverse_path = mail::Address::from_text("x@wanted.test");
    store.put(message);
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
        StoreResult<bool> found =
            senders ? store.walk().skim_senders(
                          after, mail::QueueId{28}, rows,
                          [&](auto text) { return filter.may_match_sender(text); })
                    : store.walk().skim_recipients(
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
      // Never one too few; with long windows hardly one too many.
      CHECK(std::includes(candidates.begin(), candidates.end(), meant.begin(), meant.end()));
      if (rows == 1000 || senders) CHECK(candidates == meant);
    }
  }
}

TEST_CASE("a message comes back as it was accepted, also after closing") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
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
  REQUIRE(store.put(message) == AcceptEnd::stored);
  store.reopen();
  auto found = store.message(42);
  REQUIRE(found.has_value());
  const StoredMessage& m = *found;
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
  REQUIRE(store.content(42, 0, 1 << 20) == message.content);
  REQUIRE(store.content(42, 3, 5) == message.content.substr(3, 5));
  REQUIRE(store.content(43, 0, 5) == std::nullopt);
}

TEST_CASE("one id is stored once; another message under it is refused") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  NewMessage message = make_message(7, {"a@example.org"});
  REQUIRE(store.put(message) == AcceptEnd::stored);
  REQUIRE(store.put(message) == AcceptEnd::duplicate);
  message.info.arrival.received_at = at(5);
  REQUIRE(store.put(message) == AcceptEnd::conflict);
  REQUIRE(message_count(store) == 1);
  REQUIRE(store.message(7)->recipients.size() == 1);
}

TEST_CASE("a request the schema refuses does not harm the others of its transaction") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  Batch batch;
  for (std::uint64_t id = 1; id <= 7; ++id) {
    std::vector<std::string> to{"good@example.org"};
    if (id == 2) to.push_back(std::string(2000, 'x'));
    batch.accepts.push_back(std::make_unique<AcceptRequest>());
    batch.accepts.back()->submission.message = make_message(id, to);
    batch.accepts.back()->due = at(0);
  }
  Batch written = store.write(std::move(batch));
  REQUIRE(written.accepts.size() == 7);
  for (std::uint64_t id = 1; id <= 7; ++id) {
    const AcceptRequest& request = *written.accepts[id - 1];
    CHECK(request.submission.message.info.id.value == id);
    CHECK(request.end == (id == 2 ? AcceptEnd::failed : AcceptEnd::stored));
    CHECK(request.error.empty() == (id != 2));
  }
  REQUIRE(message_count(store) == 6);
  REQUIRE_FALSE(store.message(2).has_value());
  REQUIRE(store.content(2, 0, 10) == std::nullopt);
}

TEST_CASE("a refused message under an id that is taken does not take the other with it") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  REQUIRE(store.put(make_message(2, {"a@example.org"})) == AcceptEnd::stored);
  NewMessage bad = make_message(2, {"good@example.org", std::string(2000, 'x')});
  bad.info.envelope.envid = std::string(2000, 'x');  // refused before the id is looked at
  REQUIRE(store.put(bad) == AcceptEnd::failed);
  bad.info.envelope.envid.clear();
  REQUIRE(store.put(bad) != AcceptEnd::stored);
  REQUIRE(store.message(2)->recipients.size() == 1);
  REQUIRE(store.content(2, 0, 10) != std::nullopt);
}

TEST_CASE("whoever is believed to be all that is left is removed, and nobody else") {
  test::AsCompact as_compact(GENERATE(false, true));
  struct {
    std::vector<std::uint32_t> there, removed;
    bool whole;
  } rows[] = {
      {{0}, {0}, true},           {{0, 1, 2}, {0, 1, 2}, true}, {{0, 1, 2}, {2, 0, 1}, true},
      {{0, 1, 2}, {0, 1}, false}, {{0, 1, 2}, {1, 2}, false},   {{0, 1, 2, 3}, {0, 3}, false},
      {{0, 2}, {0, 2}, true},     {{0, 2}, {0, 1}, false},      {{1, 3}, {2}, false},
      {{0, 1}, {5}, false},       {{1, 2}, {0, 1, 2}, true},    {{0, 1, 3}, {0, 1, 2}, false},
  };
  const Engine engine = GENERATE(from_range(test::engines()));
  for (const auto& row : rows) {
    test::StoreUnderTest store(engine);
    std::vector<std::string> addresses;
    for (int i = 0; i < 6; ++i) addresses.push_back("a" + std::to_string(i) + "@example.org");
    store.put(make_message(9, addresses));
    store.put(make_message(10, addresses));
    Settlement before{mail::QueueId{9}, {}, {}};
    for (std::uint32_t i = 0; i < 6; ++i)
      if (std::find(row.there.begin(), row.there.end(), i) == row.there.end())
        before.changes.push_back(removal(i));
    store.settle(before);
    Settlement end{mail::QueueId{9}, {}, {}, true, false};
    for (std::uint32_t i : row.removed) end.changes.push_back(removal(i));
    Settled settled = store.settle(end);
    CAPTURE(row.there, row.removed);
    CHECK(settled.message_removed == row.whole);
    CHECK(store.message(9).has_value() != row.whole);
    CHECK((store.content(9, 0, 10) == std::nullopt) == row.whole);
    for (std::uint32_t i : settled.changed)
      CHECK(std::find(row.there.begin(), row.there.end(), i) != row.there.end());
    CHECK(store.message(10)->recipients.size() == 6);
  }
}

TEST_CASE("a message goes with its last recipient, its content with it") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(9, {"a@example.org", "b@example.org"}));
  Settled first = store.settle({mail::QueueId{9}, {removal(0)}, {}});
  REQUIRE(first.changed == std::vector<std::uint32_t>{0});
  REQUIRE_FALSE(first.message_removed);
  Settled again = store.settle({mail::QueueId{9}, {removal(0)}, {}});
  REQUIRE(again.changed.empty());
  Settled last = store.settle({mail::QueueId{9}, {removal(1)}, {}});
  REQUIRE(last.message_removed);
  REQUIRE_FALSE(last.content_file_removed);
  REQUIRE(message_count(store) == 0);
  REQUIRE(store.content(9, 0, 10) == std::nullopt);
}

TEST_CASE("deferred rows come back when they are due, earliest first") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(1, {"a@example.org", "b@example.org", "c@example.org"}));
  store.put(make_message(2, {"d@example.net"}, "mx:example.net"));
  store.settle({mail::QueueId{1}, {deferral(0, 3000), deferral(1, 1000), deferral(2, 2000)}, {}});

  auto none = store.due("mx:example.org", at(500), 10);
  REQUIRE(none.rows.empty());
  REQUIRE(none.next_due == at(1000));
  auto two = store.due("mx:example.org", at(2500), 10);
  REQUIRE(two.rows.size() == 2);
  REQUIRE(two.rows[0].recipient.index == 1);
  REQUIRE(two.rows[1].recipient.index == 2);
  REQUIRE(two.messages.size() == 1);
  REQUIRE(two.next_due == at(3000));
  const StoredRecipient& r = two.rows[0].recipient;
  REQUIRE(r.attempts == 1);
  REQUIRE(r.last.reply.code == 450);
  REQUIRE(r.last.reply.enhanced.text() == "4.2.1");
  REQUIRE(r.last.remote_host == "mx.example.org");
  REQUIRE(r.last.stage == mail::Stage::rcpt);
  auto limited = store.due("mx:example.org", at(9000), 1);
  REQUIRE(limited.rows.size() == 1);
  REQUIRE(limited.next_due == at(1000));

  auto destinations = store->waiting().destinations({}, 10);
  REQUIRE(destinations->size() == 2);
  REQUIRE((*destinations)[0].destination == "mx:example.net");
  REQUIRE((*destinations)[1].due_at == at(1000));
}

TEST_CASE("held rows are not due until released") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(1, {"a@example.org"}));
  RecipientChange hold;
  hold.kind = ChangeKind::hold;
  store.settle({mail::QueueId{1}, {hold}, {}});
  REQUIRE(store.due("mx:example.org", at(1000), 10).rows.empty());
  REQUIRE(store->waiting().destinations({}, 10)->empty());
  RecipientChange release;
  release.kind = ChangeKind::release;
  release.next_attempt_at = at(5);
  store.settle({mail::QueueId{1}, {release}, {}});
  REQUIRE(store.due("mx:example.org", at(1000), 10).rows.size() == 1);
}

TEST_CASE("the bounce appears with the failure or not at all, and once") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(1, {"a@example.org", "b@example.org"}));
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
  store.settle({mail::QueueId{1}, {removal(0)}, {}});
  Settled settled = store.settle({mail::QueueId{1}, {removal(0), removal(1)}, {order}});
  REQUIRE(settled.notices.size() == 1);
  REQUIRE(settled.message_removed);
  const NewMessage& notice = settled.notices.front();
  REQUIRE(notice.content.find("b@example.org") != std::string::npos);
  REQUIRE(notice.content.find("a@example.org") == std::string::npos);
  REQUIRE(notice.content.find("Subject: test") != std::string::npos);
  auto stored = store.message(100);
  REQUIRE(stored->info.envelope.reverse_path.is_null());
  REQUIRE(stored->info.kind == MessageKind::notice);
  REQUIRE(stored->recipients.at(0).recipient.address.text() == "sender@example.com");
  REQUIRE(store.content(100, 0, 1 << 20) == notice.content);

  order.request.id = mail::QueueId{101};
  Settled again = store.settle({mail::QueueId{1}, {removal(1)}, {order}});
  REQUIRE(again.notices.empty());
  REQUIRE(message_count(store) == 1);

  // A notice that cannot be written takes the change back with it.
  store.put(make_message(2, {"a@example.org"}));
  order.request.id = mail::QueueId{100};
  order.indices = {0};
  order.request.recipients.resize(1);
  SettleRequest refused = store.try_settle({mail::QueueId{2}, {removal(0)}, {order}});
  REQUIRE(refused.error.find("exists already") != std::string::npos);
  REQUIRE(store.message(2)->recipients.size() == 1);
}

TEST_CASE("breakers are kept, counting goes by scan windows, lists page by key") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.note({DestinationFact(OpenBreaker{"mx:a", 1, at(0), at(60), "down"}),
              DestinationFact(OpenBreaker{"mx:a", 2, at(0), at(90), "still down"}),
              DestinationFact(OpenBreaker{"mx:b", 1, at(0), at(60), "down"}),
              DestinationFact(RemoveBreaker{"mx:b"})});
  auto breakers = store->destinations().breakers({}, 10);
  REQUIRE(breakers->size() == 1);
  REQUIRE(breakers->front().opens == 2);
  REQUIRE(breakers->front().reason == "still down");

  for (std::uint64_t id = 1; id <= 25; ++id)
    store.put(make_message(id, {"a@example.org", "b@example.org"}));
  REQUIRE(store->scan().last_id()->value == 25);
  Counts counts;
  mail::QueueId cursor;
  int windows = 0;
  for (;; ++windows) {
    auto end = store.walk().count(cursor, mail::QueueId{25}, 10, counts);
    REQUIRE(end.ok());
    if (!*end) break;
    cursor = **end;
  }
  REQUIRE(windows == (test::AsCompact::on() ? 1 : 3));
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
  (void)store.settle(some);
  Counts again;
  REQUIRE(store.walk().count({}, mail::QueueId{25}, 100, again).ok());
  REQUIRE(again.recipients() == 50);
  std::map<std::string, std::int64_t> by_state;
  for (const Counts::Group& group : again.groups)
    by_state[group.route_label + ' ' + std::string(name_of(group.state))] += group.recipients;
  REQUIRE(by_state.size() == 3);
  REQUIRE(by_state["smtp:other.example:25 deferred"] == 1);
  REQUIRE(store->scan().first_id()->value == 1);
  auto page = store.walk().list({mail::QueueId{20}, {}, 0}, mail::QueueId{25}, 3, 100);
  REQUIRE(page->parts.size() == 3);
  REQUIRE(page->parts.front().info.id.value == 21);
}

TEST_CASE("a suspension that is over is removed, and no other one") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  const WallTime until = from_unix_ms(to_unix_ms(wall_now() + std::chrono::hours(1)));
  const WallTime extended = until + std::chrono::hours(1);
  auto left = [&store] { return store->destinations().suspensions("", 10)->size(); };
  store.note({DestinationFact(Suspension{"mx:a.test", at(1), extended, "ann", "works"}),
              DestinationFact(Suspension{"mx:b.test", at(1), WallTime::max(), "ben", ""}),
              DestinationFact(EndSuspension{"mx:a.test", until}),
              DestinationFact(EndSuspension{"mx:b.test", until}),
              DestinationFact(EndSuspension{"mx:nobody.test", until})});
  CHECK(left() == 2);
  store.note({DestinationFact(EndSuspension{"mx:a.test", extended})});
  CHECK(left() == 1);
  // Shortened elsewhere.
  store.note({DestinationFact(Suspension{"mx:c.test", at(1), until, "ann", "works"}),
              DestinationFact(EndSuspension{"mx:c.test", extended})});
  CHECK(left() == 1);
  store.note({DestinationFact(RemoveSuspension{"mx:b.test"})});
  CHECK(left() == 0);
}

TEST_CASE("checkpoints empty the log") {
  test::StoreUnderTest store(Engine::sqlite);
  Maintenance& upkeep = store->maintenance();
  for (std::uint64_t id = 1; id <= 50; ++id) store.put(make_message(id, {"a@example.org"}));
  REQUIRE(upkeep.log_bytes() > 100000);
  REQUIRE(upkeep.checkpoint(false).ok());
  REQUIRE(upkeep.log_bytes() == 0);
  store.put(make_message(60, {"a@example.org"}));
  REQUIRE(upkeep.log_bytes() < 100000);
  REQUIRE(upkeep.checkpoint(true).ok());
  REQUIRE(message_count(store) == 51);
}

TEST_CASE("what is known of recipients and domains comes back as it was kept") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  mail::StsPolicy policy;
  policy.id = "20261127";
  policy.mode = mail::StsPolicy::Mode::enforce;
  policy.hosts = {"*.a-long-name-that-is-allocated.example.org", "mx.example.net"};
  policy.max_age = 86400;
  policy.fetched_at = at(7);
  mail::StsPolicy old = policy;
  old.fetched_at = at(1);
  store.note({RecipientFact(RecipientCheck{
                  "a@example.org", false, {550, {5, 101, 111}, "user unknown"}, at(5)}),
              RecipientFact(RecipientCheck{"b@example.org", true, {250, {}, "ok"}, at(1)}),
              RecipientFact(RemoveRecipientChecksBefore{at(2)}),
              DestinationFact(KnownStsPolicy{"example.org", policy}),
              DestinationFact(KnownStsPolicy{"old.example", old}),
              DestinationFact(RemoveStsPoliciesBefore{at(2)}), ClockFact(LastSeen{at(9)}),
              ClockFact(AllClockGaps{{{at(1), Duration(2)}}}),
              ClockFact(AllClockGaps{{{at(3), Duration(4)}, {at(5), Duration(6)}}})});
  store.reopen();
  auto clock = store->clock().read();
  CHECK(clock->last_seen == at(9));
  REQUIRE(clock->gaps.size() == 2);
  CHECK(clock->gaps[1].length == Duration(6));
  auto checks = store->recipient_checks().list("", 10);
  REQUIRE(checks->size() == 1);
  CHECK(checks->front().reply.one_line() == "550 5.101.111 user unknown");
  CHECK(checks->front().at == at(5));
  auto policies = store->destinations().sts_policies("", 10);
  REQUIRE(policies->size() == 1);
  CHECK(policies->front().domain == "example.org");
  CHECK(policies->front().policy.id == "20261127");
  CHECK(policies->front().policy.hosts.size() == 2);
  CHECK(policies->front().policy.lists("mx.a-long-name-that-is-allocated.example.org"));
  CHECK(policies->front().policy.fetched_at == at(7));
  CHECK(policies->front().policy.mode == mail::StsPolicy::Mode::enforce);
}

TEST_CASE("at the end of an outage what it deferred is due, and nothing else") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(1, {"a@example.org", "b@example.org", "c@example.org"}));
  Settlement settlement;
  settlement.id = mail::QueueId{1};
  RecipientChange unreachable = deferral(0, 60000);
  unreachable.last.stage = mail::Stage::connect;
  settlement.changes = {unreachable, deferral(1, 60000)};  // the second was greylisted
  (void)store.settle(settlement);
  store.note({WaitingFact(BringForward{"mx:other.example", at(10), 100}),
              WaitingFact(BringForward{"mx:example.org", at(10), 100})});
  auto due = store.due("mx:example.org", at(10), 10);
  REQUIRE(due.rows.size() == 2);
  std::set<std::uint32_t> who;
  for (const auto& row : due.rows) who.insert(row.recipient.index);
  CHECK(who == std::set<std::uint32_t>{0, 2});
}
