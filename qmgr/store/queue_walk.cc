#include "qmgr/store/queue_walk.h"

#include <algorithm>
#include <iterator>

#include "qmgr/store/compact_record.h"
#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

namespace {

// Each is read with its content.
constexpr std::size_t kCompactAtOnce = 200;

mail::QueueId before(mail::QueueId id) {
  return mail::QueueId{id.value - 1};
}

bool has_lower_id(const MessageInfo& a, const MessageInfo& b) {
  return a.id < b.id;
}

MessageInfo info_of(const CompactMessages::Value& value) {
  std::optional<CompactRecord> record = decode_compact(value.id, value.data);
  if (record) return std::move(record->message.info);
  MessageInfo unreadable;
  unreadable.id = value.id;
  return unreadable;
}

}  // namespace

StoreResult<ListPage> QueueWalk::list(ListCursor at, mail::QueueId last, std::size_t max_messages,
                                      std::size_t max_recipients) {
  std::vector<MessageInfo> infos;
  std::size_t most = max_messages;
  if (at.from > 0) {
    auto within = QueueReader(store_).info(at.within);
    if (!within) return within.error();
    if (*within) infos.push_back(std::move(**within));
    ++most;
  }
  auto rows = store_.rows().page(at.after, last, max_messages);
  if (!rows) return rows.error();
  bool end = rows->size() < max_messages;
  std::move(rows->begin(), rows->end(), std::back_inserter(infos));
  auto compact = store_.compact().page(at.after, last, max_messages);
  if (!compact) return compact.error();
  if (!compact->end) {
    // What lies behind the last one read may have others before it.
    mail::QueueId known = compact->values.back().id;
    std::erase_if(infos, [&](const MessageInfo& info) { return info.id > known; });
    end = false;
  }
  auto middle = static_cast<std::ptrdiff_t>(infos.size());
  for (const CompactMessages::Value& value : compact->values) infos.push_back(info_of(value));
  std::inplace_merge(infos.begin(), infos.begin() + middle, infos.end(), has_lower_id);
  end = end && infos.size() <= most;
  if (infos.size() > most) infos.resize(most);
  return with_recipients(at, std::move(infos), end, max_recipients);
}

StoreResult<ListPage> QueueWalk::with_recipients(ListCursor at, std::vector<MessageInfo> infos,
                                                 bool end, std::size_t max_recipients) {
  ListPage page;
  page.next = at;
  page.end = end;
  std::size_t room = max_recipients;
  for (MessageInfo& info : infos) {
    mail::QueueId id = info.id;
    bool goes_on = at.from > 0 && id == at.within;
    auto recipients = QueueReader(store_).recipients(id, goes_on ? at.from : 0, room);
    if (!recipients) return recipients.error();
    bool cut = recipients->size() == room;
    room -= recipients->size();
    if (!goes_on) page.next.after = id;
    page.next.within = id;
    page.next.from = cut ? recipients->back().index + 1 : 0;
    page.parts.push_back({std::move(info), recipients.take()});
    if (!cut) continue;
    page.end = false;
    break;
  }
  if (page.parts.empty()) page.next.from = 0;
  return page;
}

// Compact messages are few: each of them may be meant.
StoreResult<bool> QueueWalk::skim(mail::QueueId& after, mail::QueueId last, const SkimRows& rows) {
  auto compact = store_.compact().first(after, last);
  if (!compact) return compact.error();
  mail::QueueId end = *compact ? before(**compact) : last;
  if (after < end) {
    StoreResult<bool> found = rows(end);
    if (!found || *found || after < end) return found;
  }
  return compact->has_value();
}

StoreResult<bool> QueueWalk::skim_recipients(mail::QueueId& after, mail::QueueId last,
                                             std::size_t max_rows, const MayMatch& may_match,
                                             const MayMatchState& may_match_state) {
  return skim(after, last, [&](mail::QueueId end) {
    return skim_recipient_rows(after, end, max_rows, may_match, may_match_state);
  });
}

StoreResult<bool> QueueWalk::skim_senders(mail::QueueId& after, mail::QueueId last,
                                          std::size_t max_rows, const MayMatch& may_match) {
  return skim(after, last,
              [&](mail::QueueId end) { return skim_sender_rows(after, end, max_rows, may_match); });
}

StoreResult<bool> QueueWalk::skim_recipient_rows(mail::QueueId& after, mail::QueueId last,
                                                 std::size_t max_rows, const MayMatch& may_match,
                                                 const MayMatchState& may_match_state) {
  bool found = false;
  mail::QueueId of_last_row = after;
  auto on_row = [&](const RowScan::RecipientRow& row) {
    of_last_row = row.id;
    found = may_match(row.address) && may_match_state(row.state, row.attempts);
    return !found;
  };
  auto all = store_.scan().recipients({after, INT64_MAX}, last, max_rows, on_row);
  if (!all) return all.error();
  if (*all && !found) {
    after = last;
    return false;
  }
  // Of the last message there may be more. One that fills the window alone may be meant.
  bool alone = before(of_last_row) == after;
  after = before(of_last_row);
  return found || alone;
}

StoreResult<bool> QueueWalk::skim_sender_rows(mail::QueueId& after, mail::QueueId last,
                                              std::size_t max_rows, const MayMatch& may_match) {
  bool found = false;
  auto on_row = [&](const RowScan::SenderRow& row) {
    found = may_match(row.reverse_path);
    after = found ? before(row.id) : row.id;
    return !found;
  };
  auto all = store_.scan().senders(after, last, max_rows, on_row);
  if (!all) return all.error();
  if (*all && !found) after = last;
  return found;
}

StoreResult<bool> QueueWalk::survey(SurveyCursor& at, mail::QueueId last, std::size_t max_rows,
                                    const OnRecipient& on_recipient) {
  auto compact = store_.compact().page(at.id, last, kCompactAtOnce);
  if (!compact) return compact.error();
  mail::QueueId end = compact->end ? last : compact->values.back().id;
  SurveyCursor next{end, INT64_MAX};
  SurveyCursor row_read = at;
  auto on_row = [&](const RowScan::RecipientRow& row) {
    row_read = {row.id, row.index};
    on_recipient(row.id, row.address);
    return true;
  };
  auto all = store_.scan().recipients(at, end, max_rows, on_row);
  if (!all) return all.error();
  if (!*all) next = row_read;
  for (const CompactMessages::Value& value : compact->values) {
    if (value.id > next.id) break;
    std::optional<CompactRecord> record = decode_compact(value.id, value.data);
    if (!record) continue;
    const std::vector<NewRecipient>& recipients = record->message.recipients;
    for (std::size_t i = 0; i < recipients.size(); ++i)
      if (is_left(value.rest, i)) on_recipient(value.id, recipients[i].recipient.address.text());
  }
  at = next;
  return !*all || end < last;
}

StoreResult<std::optional<mail::QueueId>> QueueWalk::count(mail::QueueId after, mail::QueueId last,
                                                           std::size_t max_messages,
                                                           Counts& counts) {
  if (after >= last) return std::optional<mail::QueueId>();
  auto end = store_.scan().count(after, last, max_messages, counts);
  if (!end) return end.error();
  if (StoreStatus s = count_compact(after, *end, counts); !s) return s.error();
  return std::optional<mail::QueueId>(*end);
}

StoreStatus QueueWalk::count_compact(mail::QueueId after, mail::QueueId end, Counts& counts) {
  for (;;) {
    auto page = store_.compact().page(after, end, kCompactAtOnce);
    if (!page) return page.error();
    for (const CompactMessages::Value& value : page->values) {
      after = value.id;
      ++counts.messages;
      std::optional<CompactRecord> record = decode_compact(value.id, value.data);
      if (!record) continue;
      const std::vector<NewRecipient>& recipients = record->message.recipients;
      for (std::size_t i = 0; i < recipients.size(); ++i)
        if (is_left(value.rest, i))
          counts.add(recipients[i].destination, record->message.info.traffic_class,
                     QueueState::queued);
    }
    if (page->end) return {};
  }
}

}  // namespace postwain::qmgr
