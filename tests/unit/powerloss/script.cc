#include "tests/unit/powerloss/script.h"

#include <set>

#include <fmt/format.h>
#include <sqlite3.h>

#include "common/base/check.h"

namespace postwain::powerloss {

using namespace postwain::qmgr;
using simdisk::Random;

namespace {

constexpr std::int64_t kStart = 1'800'000'000'000;  // a moment in 2027

class Teller {
 public:
  Teller(const Story& story, Ledger& ledger)
      : random_(story.seed), ledger_(ledger), rounds_(story.rounds), next_id_(story.first_id) {}

  void rounds(Life& life) {
    for (int i = 0; i < rounds_ / 2 && !life.broken(); ++i) round(life);
  }
  void last_word(Life& life) {
    if (!life.broken()) add_small(life);
    if (!life.broken()) life.commit();
  }

 private:
  bool chance(unsigned of_100) { return random_() % 100 < of_100; }

  void round(Life& life) {
    std::size_t requests = 1 + random_() % 5;
    busy_.clear();
    for (std::size_t i = 0; i < requests; ++i) {
      if (chance(50))
        chance(30) ? add_large(life) : add_small(life);
      else
        settle_one(life);
    }
    if (!busy_.empty() && chance(10))
      life.write_breaker(fmt::format("mx:{}.example", random_() % 5));
    life.commit();
    if (life.broken()) return;
    if (chance(5)) life.abandon_file(next_id_++, text(3000));
    if (chance(10)) life.checkpoint(false);
    if (!life.broken() && chance(4)) life.checkpoint(true);
    if (!life.broken() && chance(5)) life.vacuum();
  }

  std::string text(std::size_t length) {
    std::string out(length, 'x');
    for (char& c : out) c = static_cast<char>('A' + random_() % 50);
    return out;
  }

  NewMessage message(std::size_t length) {
    NewMessage m;
    m.info.id = mail::QueueId{next_id_++};
    m.info.envelope.reverse_path = mail::Address::from_text("sender@example.com");
    m.info.arrival.protocol = "ESMTP";
    m.info.arrival.received_at = from_unix_ms(kStart + static_cast<std::int64_t>(next_id_));
    m.content = "Subject: a test\r\n\r\n" + text(length);
    m.info.size = m.content.size();
    std::size_t recipients = chance(20) ? 1 + random_() % 12 : 1 + random_() % 2;
    for (std::size_t i = 0; i < recipients; ++i)
      m.recipients.push_back({{mail::Address::from_text(fmt::format("r{}@example.org", i)), {}, {}},
                              "mx:example.org"});
    m.is_compact = chance(60);
    ledger_.content(m.info.id.value, m.content);
    return m;
  }

  void add_small(Life& life) {
    NewMessage m = message(chance(80) ? random_() % 2000 : random_() % 30000);
    busy_.insert(m.info.id.value);
    std::vector<NewMessage> parts = parts_of(m);
    if (parts.empty() && chance(5)) life.accept(m);  // smtpd asks again after it has lost its qmgr
    life.accept(std::move(m), std::move(parts));
  }

  // A mailing list with an owner is among the recipients.
  std::vector<NewMessage> parts_of(const NewMessage& whole) {
    if (!chance(15)) return {};
    NewMessage part = whole;
    part.info.id = mail::QueueId{next_id_++};
    part.part_of = whole.info.id;
    part.content.clear();
    busy_.insert(part.info.id.value);
    ledger_.content(part.info.id.value, ledger_.content_of(whole.info.id.value));
    return {std::move(part)};
  }

  void add_large(Life& life) {
    NewMessage m = message(4000 + random_() % 16000);
    // The header section lies apart, or an older program wrote all of it into the file.
    std::size_t apart = chance(70) ? m.content.find("\r\n\r\n") + 4 : 0;
    if (!life.store_file(m.info.id.value, m.content.substr(apart))) return;
    m.info.in_file = true;
    m.info.header_size = static_cast<std::uint32_t>(apart);
    m.content.resize(apart);
    busy_.insert(m.info.id.value);
    std::vector<NewMessage> parts = parts_of(m);
    large_.insert(m.info.id.value);
    for (const NewMessage& part : parts) large_.insert(part.info.id.value);
    for (const NewMessage& part : parts)
      if (!life.share_file(m.info.id.value, part.info.id.value)) return;
    life.accept(std::move(m), std::move(parts));
  }

  // Some outcomes for one message, as an attempt would bring them.
  void settle_one(Life& life) {
    std::set<std::uint64_t> candidates;
    for (const auto& [key, row] : ledger_.now())
      if (row.there && !busy_.contains(key.first)) candidates.insert(key.first);
    if (candidates.empty()) return;
    auto chosen = candidates.begin();
    std::advance(chosen, random_() % candidates.size());
    std::uint64_t id = *chosen;
    busy_.insert(id);
    Settlement settlement;
    settlement.id = mail::QueueId{id};
    Ledger::Changes changes;
    NoticeOrder order = bounce_of(id);
    bool all_alike = chance(50);
    std::uint64_t fate = random_();
    for (const auto& [key, row] : ledger_.now()) {
      if (key.first != id || !row.there) continue;
      if (!all_alike) fate = random_();
      if (chance(20)) continue;  // this one was not part of the attempt
      change(key, row, fate % 10, settlement, changes, order);
    }
    if (settlement.changes.empty()) return;
    settlement.maybe_all = chance(80);  // a hint: it may be wrong
    settlement.in_file = large_.contains(id);
    if (!order.indices.empty()) {
      order.request.id = mail::QueueId{next_id_++};
      changes[{order.request.id.value, 0}] =
          Row{true, false, false, 0, to_unix_ms(order.request.now)};
      settlement.notices.push_back(std::move(order));
    }
    life.settle(fmt::format("settlement of message {}", id), std::move(settlement),
                std::move(changes));
  }

  void change(const Key& key, Row row, std::uint64_t fate, Settlement& settlement,
              Ledger::Changes& changes, NoticeOrder& order) {
    RecipientChange c;
    c.index = key.second;
    if (row.held) {
      c.kind = ChangeKind::release;
      row.held = false;
      row.next_ms = kStart + static_cast<std::int64_t>(random_() % 100000);
      c.next_attempt_at = from_unix_ms(row.next_ms);
    } else if (fate < 4) {
      c.kind = ChangeKind::remove;
      row = Row{};
    } else if (fate < 6) {
      c.kind = ChangeKind::remove;
      row = Row{};
      order.indices.push_back(c.index);
      DsnRecipient failed;
      failed.recipient.address = mail::Address::from_text(fmt::format("r{}@example.org", c.index));
      failed.reply = {550, {5, 1, 1}, "no such user"};
      order.request.recipients.push_back(std::move(failed));
    } else if (fate < 7) {
      c.kind = ChangeKind::hold;
      row.held = true;
    } else {
      c.kind = ChangeKind::defer;
      c.destination = "mx:example.org";
      c.attempts = ++row.attempts;
      row.next_ms = kStart + static_cast<std::int64_t>(random_() % 100000);
      c.next_attempt_at = from_unix_ms(row.next_ms);
      c.in_doubt = row.in_doubt = fate == 9;
      c.last = {from_unix_ms(kStart), mail::Stage::rcpt, {450, {4, 2, 1}, "later"}, "mx.example"};
    }
    changes[key] = row;
    settlement.changes.push_back(std::move(c));
  }

  NoticeOrder bounce_of(std::uint64_t id) {
    NoticeOrder order;
    order.request.to = mail::Address::from_text("sender@example.com");
    order.request.hostname = "mx.test";
    order.request.now = from_unix_ms(kStart + static_cast<std::int64_t>(next_id_));
    order.request.original_id = mail::QueueId{id};
    order.request.original_size = 60;
    order.recipients.push_back({{order.request.to, {}, {}}, "mx:example.com"});
    return order;
  }

  Random random_;
  Ledger& ledger_;
  int rounds_;
  std::uint64_t next_id_;
  std::set<std::uint64_t> large_;  // content in a file
  std::set<std::uint64_t> busy_;   // in the commit that is being batched
};

}  // namespace

Ending tell(const Story& story, simdisk::Disk& disk, Ledger& ledger) {
  // The salts of the log come from SQLite's own random source.
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(story.seed & 0x7FFFFFFF),
                       nullptr);
  Teller teller(story, ledger);
  {
    Life first(disk, ledger, story.sin);
    if (!first.start()) {
      first.vanish();
      return Ending::not_started;
    }
    teller.rounds(first);
    if (first.broken()) {
      first.vanish();
      return Ending::broken;
    }
    first.stop();
  }
  Life second(disk, ledger, story.sin);
  if (!second.start()) {
    second.vanish();
    return Ending::not_started;
  }
  teller.rounds(second);
  teller.last_word(second);
  Ending ending = second.broken() ? Ending::broken : Ending::stopped;
  if (ending == Ending::stopped) PW_CHECK(!second.full());
  second.vanish();
  return ending;
}

}  // namespace postwain::powerloss
