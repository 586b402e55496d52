#include "qmgr/moving/row_message.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace postwain::qmgr {

namespace {

constexpr std::size_t kRecipientsAtOnce = 1000;
constexpr std::size_t kContentAtOnce = 1U << 20;
// Beyond any recipient that was ever taken in: what has more is damaged.
constexpr std::uint32_t kIndexMax = 10'000'000;

StoreError damaged(mail::QueueId id, const char* what) {
  return {StoreError::Kind::damaged,
          fmt::format("{}: {} (postwain queue recover)", id.text(), what)};
}

StoreStatus read_recipients(QueueStore& store, RowMessage& message) {
  for (std::uint32_t from = 0;;) {
    auto page = store.rows().recipients(message.info.id, from, kRecipientsAtOnce);
    if (!page) return page.error();
    if (page->empty()) return {};
    if (page->back().index > kIndexMax) return damaged(message.info.id, "a recipient is damaged");
    from = page->back().index + 1;
    std::move(page->begin(), page->end(), std::back_inserter(message.recipients));
  }
}

StoreStatus read_content(QueueStore& store, RowMessage& message) {
  if (!message.info.has_stored_content()) return {};
  const std::uint64_t size = message.info.stored_size();
  while (message.content.size() < size) {
    auto bytes = store.rows().content(message.info.id, message.content.size(), kContentAtOnce);
    if (!bytes) return bytes.error();
    if (!*bytes || (*bytes)->empty()) return damaged(message.info.id, "its content is gone");
    message.content += **bytes;
  }
  if (message.content.size() > size) return damaged(message.info.id, "its content is too long");
  return {};
}

// As it would have come in: indices that are settled have a place, and are not left.
NewMessage new_message_of(const RowMessage& message, std::string& rest) {
  NewMessage out;
  out.info = message.info;
  out.restored = true;
  for (const StoredRecipient& one : message.recipients) {
    rest.resize(one.index, '0');
    rest += '1';
    // Whoever is settled has a place only; what stands in it is never looked at.
    out.recipients.resize(one.index + 1, NewRecipient{one.recipient, one.destination});
  }
  return out;
}

RecipientChange change_of(const StoredRecipient& one) {
  RecipientChange change;
  change.index = one.index;
  // Both set all that there is; a new row waits.
  change.kind = one.state == RecipientState::held ? ChangeKind::quarantine : ChangeKind::defer;
  change.destination = one.destination;
  change.attempts = one.attempts;
  change.next_attempt_at = one.next_attempt_at;
  change.in_doubt = one.in_doubt;
  change.delay_warned = one.delay_warned;
  change.last = one.last;
  change.crashes = one.crashes;
  return change;
}

StoreStatus check_same_rows(QueueStore& store, const RowMessage& message) {
  mail::QueueId id = message.info.id;
  auto infos = store.rows().infos({&id, 1});
  if (!infos) return infos.error();
  bool same = infos->front() && infos->front()->size == message.info.size &&
              infos->front()->envelope.reverse_path == message.info.envelope.reverse_path &&
              infos->front()->arrival.received_at == message.info.arrival.received_at;
  if (same) return {};
  return StoreError{StoreError::Kind::refused,
                    fmt::format("{}: another message with this id is there", id.text())};
}

}  // namespace

StoreResult<RowMessage> read_row_message(QueueStore& store, const MessageInfo& info) {
  RowMessage message{info, {}, {}};
  if (StoreStatus s = read_recipients(store, message); !s) return s.error();
  if (StoreStatus s = read_content(store, message); !s) return s.error();
  return message;
}

StoreStatus write_row_message(QueueStore& store, const RowMessage& message) {
  if (message.recipients.empty()) return {};  // an end left it behind; nobody is to get it
  std::string rest;
  NewMessage made = new_message_of(message, rest);
  MessageRows::Insert insert{&made, WallTime{}, message.content, rest};
  auto stored = store.rows().insert({&insert, 1});
  if (!stored) return stored.error();
  if (!stored->front()) return check_same_rows(store, message);
  std::vector<RecipientChange> changes;
  std::transform(message.recipients.begin(), message.recipients.end(), std::back_inserter(changes),
                 change_of);
  std::vector<MessageRows::Change> all;
  for (const RecipientChange& change : changes) all.push_back({message.info.id, &change});
  auto changed = store.rows().change(all);
  if (!changed) return changed.error();
  if (std::find(changed->begin(), changed->end(), false) == changed->end()) return {};
  return StoreError{StoreError::Kind::broken, "a row that was written is not there"};
}

StoreStatus remove_row_message(QueueStore& store, const RowMessage& message) {
  std::vector<RecipientChange> changes(message.recipients.size());
  std::vector<MessageRows::Change> all;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    changes[i].index = message.recipients[i].index;
    changes[i].kind = ChangeKind::remove;
    all.push_back({message.info.id, &changes[i]});
  }
  if (!all.empty())
    if (auto changed = store.rows().change(all); !changed) return changed.error();
  auto removed = store.rows().remove_empty({&message.info.id, 1});
  return removed ? StoreStatus() : removed.error();
}

}  // namespace postwain::qmgr
