#include "qmgr/store/sqlite/sqlite_rows.h"

#include <algorithm>

#include "qmgr/model/row_id.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/sqlite/row_values.h"

namespace postwain::qmgr {

// --- new messages -----------------------------------------------------------------------------

StoreResult<Flags> SqliteRows::insert(std::span<const Insert> messages) {
  Flags stored;
  stored.reserve(messages.size());
  for (const Insert& one : messages) {
    StoreResult<bool> is_new = insert_message(one.message->info);
    if (!is_new) return is_new.error();
    stored.push_back(*is_new);
    if (!*is_new) continue;
    if (StoreStatus s = insert_parts(one); !s) return take_back(one.message->info.id, s.error());
  }
  return stored;
}

// After its row was written something else of the message was refused: its row goes, and with it
// the rest. If that cannot be done the whole transaction cannot be trusted.
StoreError SqliteRows::take_back(mail::QueueId id, StoreError why) {
  if (!sql_.database().in_transaction()) return why;  // a full disk or worse has ended it already
  Use use(sql_[Sql::take_back_message]);
  if (use.number(number_of(id)).done()) return why;
  return {StoreError::Kind::broken, why.text + "; and it could not be taken back"};
}

// False: the message is there already, as rows or as one value.
StoreResult<bool> SqliteRows::insert_message(const MessageInfo& info) {
  Use use(sql_[Sql::insert_message]);
  use.number(number_of(info.id));
  bind_fields(use, info.envelope);
  bool done = use.flag(info.eight_bit)
                  .number(static_cast<std::int64_t>(info.size))
                  .number(to_unix_ms(info.arrival.received_at))
                  .text(info.arrival.protocol)
                  .text(info.arrival.client_address)
                  .text(info.arrival.client_name)
                  .text(info.arrival.account)
                  .number(static_cast<int>(info.kind))
                  .number(static_cast<int>(info.traffic_class))
                  .flag(info.in_file)
                  .number(info.header_size)
                  .done();
  if (!done && !sql_.database().is_taken_key()) return sql_.error(Sql::insert_message);
  return done && sql_.database().changes() > 0;
}

StoreStatus SqliteRows::insert_parts(const Insert& one) {
  const NewMessage& message = *one.message;
  auto id = number_of(message.info.id);
  if (message.info.has_stored_content()) {
    Use use(sql_[Sql::insert_content]);
    if (!use.number(id).blob(one.content).done()) return sql_.error(Sql::insert_content);
  }
  bool held = !message.held_for.empty();
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    if (!is_left(one.rest, i)) continue;
    const NewRecipient& r = message.recipients[i];
    Use use(sql_[Sql::insert_recipient]);
    use.number(id)
        .number(static_cast<std::int64_t>(i))
        .flag(held)
        .text(r.destination)
        .number(to_unix_ms(one.due))
        .number(held ? to_unix_ms(message.info.arrival.received_at) : 0)
        .text(held ? "4.7.1" : "")
        .text(message.held_for);
    bind_fields(use, r.recipient);
    if (!use.done()) return sql_.error(Sql::insert_recipient);
  }
  return {};
}

// --- changes ----------------------------------------------------------------------------------

StoreResult<Flags> SqliteRows::remove_whole(std::span<const Whole> messages) {
  Flags removed;
  removed.reserve(messages.size());
  for (const Whole& one : messages) {
    Use use(sql_[Sql::remove_whole_message]);
    use.number(number_of(one.id))
        .number(static_cast<std::int64_t>(one.recipients))
        .number(one.first)
        .number(one.last);
    if (!use.done()) return sql_.error(Sql::remove_whole_message);
    removed.push_back(sql_.database().changes() > 0);
  }
  return removed;
}

StoreResult<Flags> SqliteRows::change(std::span<const Change> changes) {
  Flags found;
  found.reserve(changes.size());
  for (const Change& one : changes) {
    if (StoreStatus s = change_one(one); !s) return s.error();
    found.push_back(sql_.database().changes() > 0);
  }
  return found;
}

StoreStatus SqliteRows::change_one(const Change& one) {
  const RecipientChange& change = *one.change;
  Sql which = Sql::remove_recipient;
  switch (change.kind) {
    case ChangeKind::remove:
      break;
    case ChangeKind::hold:
      which = Sql::hold_recipient;
      break;
    case ChangeKind::release:
      which = Sql::release_recipient;
      break;
    case ChangeKind::defer:
    case ChangeKind::quarantine:
      return defer(one.id, change);
  }
  Use use(sql_[which]);
  use.number(number_of(one.id)).number(change.index);
  if (change.kind == ChangeKind::release) use.number(to_unix_ms(change.next_attempt_at));
  if (!use.done()) return sql_.error(which);
  return {};
}

StoreStatus SqliteRows::defer(mail::QueueId id, const RecipientChange& change) {
  std::string enhanced = change.last.reply.enhanced.text();
  Use use(sql_[Sql::defer_recipient]);
  use.number(number_of(id))
      .number(change.index)
      .text(change.destination)
      .number(change.attempts)
      .number(to_unix_ms(change.next_attempt_at))
      .flag(change.in_doubt)
      .flag(change.delay_warned)
      .number(to_unix_ms(change.last.at))
      .number(static_cast<int>(change.last.stage))
      .number(std::clamp(change.last.reply.code, 0, 999))
      .text(enhanced)
      .text(change.last.reply.text)
      .text(change.last.remote_host)
      .number(change.crashes)
      .number(change.kind == ChangeKind::quarantine ? 1 : 0);
  if (!use.done()) return sql_.error(Sql::defer_recipient);
  return {};
}

StoreResult<std::vector<MessageRows::Removed>> SqliteRows::remove_empty(
    std::span<const mail::QueueId> ids) {
  std::vector<Removed> out;
  out.reserve(ids.size());
  for (mail::QueueId id : ids) {
    Removed& one = out.emplace_back();
    Use use(sql_[Sql::remove_empty_message]);
    Use::Step step = use.number(number_of(id)).step();
    if (step == Use::Step::row) {
      one.removed = true;
      one.in_file = use.flag();
      step = use.step();
    }
    if (step == Use::Step::failed) return sql_.error(Sql::remove_empty_message);
  }
  return out;
}

// --- reading ----------------------------------------------------------------------------------

StoreResult<std::vector<std::optional<MessageInfo>>> SqliteRows::infos(
    std::span<const mail::QueueId> ids) {
  std::vector<std::optional<MessageInfo>> out;
  out.reserve(ids.size());
  for (mail::QueueId id : ids) {
    Use use(sql_[Sql::select_message]);
    Use::Step step = use.number(number_of(id)).step();
    if (step == Use::Step::failed) return sql_.error(Sql::select_message);
    out.emplace_back();
    if (step == Use::Step::row) out.back() = read_info(use);
  }
  return out;
}

StoreResult<std::vector<StoredRecipient>> SqliteRows::recipients(mail::QueueId id,
                                                                 std::uint32_t from,
                                                                 std::size_t limit) {
  std::vector<StoredRecipient> out;
  Use use(sql_[Sql::select_recipients]);
  use.number(number_of(id)).number(from).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::select_recipients);
    if (step == Use::Step::done) return out;
    out.push_back(read_recipient(use));
  }
}

StoreResult<std::optional<std::string>> SqliteRows::content(mail::QueueId id, std::uint64_t offset,
                                                            std::size_t length) {
  Use use(sql_[Sql::select_content]);
  use.number(number_of(id))
      .number(static_cast<std::int64_t>(offset) + 1)
      .number(static_cast<std::int64_t>(length));
  Use::Step step = use.step();
  if (step == Use::Step::failed) return sql_.error(Sql::select_content);
  if (step == Use::Step::done) return std::optional<std::string>();
  return std::optional<std::string>(use.text());
}

StoreResult<std::vector<MessageInfo>> SqliteRows::page(mail::QueueId after, mail::QueueId last,
                                                       std::size_t limit) {
  std::vector<MessageInfo> out;
  Use use(sql_[Sql::list_messages]);
  use.number(number_of(after)).number(number_of(last)).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::list_messages);
    if (step == Use::Step::done) return out;
    out.push_back(read_info(use));
  }
}

}  // namespace postwain::qmgr
