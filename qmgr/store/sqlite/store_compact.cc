// Messages that are one value still (compact_record.h): written, read, taken from, made rows.
#include <algorithm>

#include <sqlite3.h>

#include "qmgr/disk/failpoint.h"
#include "qmgr/model/row_id.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/sqlite/store.h"

namespace postwain::qmgr {

namespace {

bool is_left(std::string_view left, std::size_t index) {
  return index >= left.size() || left[index] != '0';
}

// Of the request alone, not of the file: everything else can still be read.
Error unreadable(mail::QueueId id) {
  return Error{"the fresh message " + id.text() + " cannot be read", 0};
}

StoredMessage as_rows(CompactRecord record, std::string_view left, std::uint32_t from,
                      std::size_t max_recipients) {
  StoredMessage out{std::move(record.message.info), {}};
  std::vector<NewRecipient>& all = record.message.recipients;
  for (std::size_t i = from; i < all.size() && out.recipients.size() < max_recipients; ++i) {
    if (!is_left(left, i)) continue;
    StoredRecipient r;
    r.index = static_cast<std::uint32_t>(i);
    r.recipient = std::move(all[i].recipient);
    r.destination = std::move(all[i].destination);
    r.next_attempt_at = record.due;
    out.recipients.push_back(std::move(r));
  }
  return out;
}

}  // namespace

Result<Accepted> Store::pack(const NewMessage& message, WallTime due, std::string_view content) {
  if (Status s = failpoint(Failpoint::accept_insert); !s) return s.error();
  encode_compact(compact_data_, message, due, message.info.in_file ? std::string_view() : content);
  Use use(sql(Sql::insert_fresh));
  use.number(number_of(message.info.id))
      .number(static_cast<std::int64_t>(message.recipients.size()))
      .blob(compact_data_);
  if (!use.done()) {
    Error failed = error(Sql::insert_fresh);
    if (failed.code != SQLITE_CONSTRAINT_PRIMARYKEY) return failed;
    return same_message(message);
  }
  if (db_.changes() == 0) return same_message(message);
  return Accepted::stored;
}

Result<std::optional<Store::CompactRow>> Store::compact_row(mail::QueueId id) {
  Use use(sql(Sql::select_fresh));
  Use::Step step = use.number(number_of(id)).step();
  if (step == Use::Step::failed) return error(Sql::select_fresh);
  if (step == Use::Step::done) return std::optional<CompactRow>();
  CompactRow row;
  row.data = use.text();
  row.left = use.text();
  return std::optional<CompactRow>(std::move(row));
}

Result<std::optional<Store::CompactMessage>> Store::compact(mail::QueueId id) {
  Result<std::optional<CompactRow>> row = compact_row(id);
  if (!row) return row.error();
  if (!*row) return std::optional<CompactMessage>();
  std::optional<CompactRecord> record = decode_compact(id, (**row).data);
  if (!record) return unreadable(id);
  std::string content(record->content);
  return std::optional<CompactMessage>(
      CompactMessage{as_rows(*std::move(record), (**row).left, 0, kCompactRecipients), std::move(content)});
}

Result<std::optional<StoredMessage>> Store::compact_message(mail::QueueId id, std::uint32_t from,
                                                            std::size_t max_recipients) {
  Result<std::optional<CompactRow>> row = compact_row(id);
  if (!row) return row.error();
  if (!*row) return std::optional<StoredMessage>();
  std::optional<CompactRecord> record = decode_compact(id, (**row).data);
  if (!record) return unreadable(id);
  return std::optional<StoredMessage>(
      as_rows(*std::move(record), (**row).left, from, max_recipients));
}

Result<std::optional<std::string>> Store::compact_content(mail::QueueId id, std::uint64_t offset,
                                                          std::size_t length) {
  Result<std::optional<CompactRow>> row = compact_row(id);
  if (!row) return row.error();
  if (!*row) return std::optional<std::string>();
  std::optional<CompactRecord> record = decode_compact(id, (**row).data);
  if (!record) return unreadable(id);
  if (record->message.info.in_file) return std::optional<std::string>();
  std::size_t from = std::min<std::uint64_t>(offset, record->content.size());
  return std::optional<std::string>(std::string(record->content.substr(from, length)));
}

// False: it is no value, or no more. Otherwise the recipients are taken from it, and it goes with
// the last one.
Result<bool> Store::remove_from_compact(const Settlement& settlement, Settled& settled) {
  std::string left;
  {
    Use use(sql(Sql::select_fresh_left));
    Use::Step step = use.number(number_of(settlement.id)).step();
    if (step == Use::Step::failed) return error(Sql::select_fresh_left);
    if (step == Use::Step::done) return false;
    left.assign(static_cast<std::size_t>(use.number()), '1');
    std::string_view before = use.view();
    std::copy_n(before.begin(), std::min(before.size(), left.size()), left.begin());
  }
  for (const RecipientChange& one : settlement.changes) {
    if (Status s = failpoint(Failpoint::outcome_write); !s) return s.error();
    if (one.index >= left.size() || left[one.index] == '0') continue;
    left[one.index] = '0';
    settled.changed.push_back(one.index);
  }
  if (settled.changed.empty()) return true;
  if (left.find('1') == std::string::npos) {
    settled.message_removed = true;
    settled.content_file_removed = settlement.in_file;
    if (Status s = remove_compact(settlement.id); !s) return s.error();
    return true;
  }
  Use use(sql(Sql::put_fresh_left));
  if (!use.number(number_of(settlement.id)).text(left).done()) return error(Sql::put_fresh_left);
  return true;
}

Status Store::remove_compact(mail::QueueId id) {
  for (Sql which : {Sql::remove_compact, Sql::remove_fresh_left}) {
    Use use(sql(which));
    if (!use.number(number_of(id)).done()) return error(which);
  }
  return {};
}

Status Store::normalise(mail::QueueId id, WallTime due_at_latest) {
  Result<std::optional<CompactRow>> row = compact_row(id);
  if (!row) return row.error();
  if (!*row) return {};
  std::optional<CompactRecord> record = decode_compact(id, (**row).data);
  if (!record) return unreadable(id);
  if (Status s = remove_compact(id); !s) return s;
  if (Status s = insert_message(record->message); !s) return s;
  WallTime due = std::min(record->due, due_at_latest);
  return insert_rows(record->message, due, record->content, (**row).left);
}

Status Store::normalise_all() {
  constexpr std::size_t kAtOnce = 500;
  for (mail::QueueId after;;) {
    Result<std::vector<Packed>> some = packed(after, kAtOnce);
    if (!some) return some.error();
    if (some->empty()) return {};
    after = some->back().id;
    if (Status s = begin(); !s) return s;
    for (const Packed& one : *some) {
      Status unpacked = normalise(one.id, WallTime::max());
      if (unpacked || unpacked.error().code == 0) continue;
      roll_back();
      return unpacked;
    }
    if (Status s = commit(); !s) return s;
  }
}

Result<std::vector<Store::Packed>> Store::packed(mail::QueueId after, std::size_t limit) {
  std::vector<Packed> out;
  Use use(sql(Sql::list_compact));
  use.number(number_of(after)).number(INT64_MAX).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_compact);
    if (step == Use::Step::done) return out;
    Packed one{id_of(use.number()), {}, {}};
    if (std::optional<CompactRecord> record = decode_compact(one.id, use.view())) {
      one.due = record->due;
      for (NewRecipient& r : record->message.recipients)
        if (std::find(one.destinations.begin(), one.destinations.end(), r.destination) ==
            one.destinations.end())
          one.destinations.push_back(std::move(r.destination));
    }
    out.push_back(std::move(one));
  }
}

Result<std::optional<mail::QueueId>> Store::first_compact(mail::QueueId after, mail::QueueId last) {
  Use use(sql(Sql::next_fresh));
  Use::Step step = use.number(number_of(after)).number(number_of(last)).step();
  if (step == Use::Step::failed) return error(Sql::next_fresh);
  if (step == Use::Step::done) return std::optional<mail::QueueId>();
  return std::optional<mail::QueueId>(id_of(use.number()));
}

// Puts those of the page between the others.
Result<std::size_t> Store::list_compact(std::vector<MessageInfo>& infos, ListCursor at,
                                        mail::QueueId last, std::size_t max_messages) {
  Use use(sql(Sql::list_compact));
  use.number(number_of(at.after))
      .number(number_of(last))
      .number(static_cast<std::int64_t>(max_messages));
  std::vector<MessageInfo> fresh;
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_compact);
    if (step == Use::Step::done) break;
    fresh.emplace_back();
    fresh.back().id = id_of(use.number());
    if (std::optional<CompactRecord> record = decode_compact(fresh.back().id, use.view()))
      fresh.back() = std::move(record->message.info);
  }
  std::size_t found = fresh.size();
  if (found == 0) return found;
  std::vector<MessageInfo> both;
  both.reserve(infos.size() + fresh.size());
  std::merge(std::make_move_iterator(infos.begin()), std::make_move_iterator(infos.end()),
             std::make_move_iterator(fresh.begin()), std::make_move_iterator(fresh.end()),
             std::back_inserter(both),
             [](const MessageInfo& a, const MessageInfo& b) { return a.id < b.id; });
  infos = std::move(both);
  return found;
}

Result<std::vector<std::pair<mail::QueueId, std::vector<std::string>>>> Store::compact_addresses(
    mail::QueueId after, mail::QueueId last, std::size_t max_messages) {
  std::vector<std::pair<mail::QueueId, std::vector<std::string>>> out;
  Use use(sql(Sql::list_compact));
  use.number(number_of(after))
      .number(number_of(last))
      .number(static_cast<std::int64_t>(max_messages));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_compact);
    if (step == Use::Step::done) return out;
    mail::QueueId id = id_of(use.number());
    std::optional<CompactRecord> record = decode_compact(id, use.view());
    std::string_view left = use.view();
    out.emplace_back(id, std::vector<std::string>());
    if (!record) continue;
    const std::vector<NewRecipient>& all = record->message.recipients;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (is_left(left, i)) out.back().second.push_back(all[i].recipient.address.text());
  }
}

Status Store::count_compact(mail::QueueId after, mail::QueueId end, Counts& counts) {
  Use use(sql(Sql::list_compact));
  use.number(number_of(after)).number(number_of(end)).number(INT64_MAX);
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_compact);
    if (step == Use::Step::done) return {};
    mail::QueueId id = id_of(use.number());
    std::optional<CompactRecord> record = decode_compact(id, use.view());
    std::string_view left = use.view();
    ++counts.messages;
    if (!record) continue;
    const std::vector<NewRecipient>& all = record->message.recipients;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (is_left(left, i))
        counts.add(all[i].destination, record->message.info.traffic_class, QueueState::queued);
  }
}

}  // namespace postwain::qmgr
