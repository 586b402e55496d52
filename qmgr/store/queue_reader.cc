#include "qmgr/store/queue_reader.h"

#include <algorithm>

#include "qmgr/store/compact_record.h"

namespace postwain::qmgr {

namespace {

// Only this request fails: everything else of the store can still be read.
StoreError unreadable(mail::QueueId id) {
  return {StoreError::Kind::refused, "the compact record of " + id.text() + " cannot be read"};
}

}  // namespace

StoreResult<std::optional<CompactMessages::Value>> QueueReader::value(mail::QueueId id) {
  auto found = store_.compact().values({&id, 1});
  if (!found) return found.error();
  return std::move(found->front());
}

StoreResult<std::optional<MessageInfo>> QueueReader::info(mail::QueueId id) {
  auto found = store_.rows().infos({&id, 1});
  if (!found) return found.error();
  if (found->front()) return std::move(found->front());
  auto compact = value(id);
  if (!compact) return compact.error();
  if (!*compact) return std::optional<MessageInfo>();
  std::optional<CompactRecord> record = decode_compact(id, (**compact).data);
  if (!record) return unreadable(id);
  return std::optional<MessageInfo>(std::move(record->message.info));
}

StoreResult<bool> QueueReader::has_message(mail::QueueId id) {
  auto found = info(id);
  if (!found) return found.error();
  return found->has_value();
}

StoreResult<std::optional<StoredMessage>> QueueReader::message(mail::QueueId id, std::uint32_t from,
                                                               std::uint32_t max_recipients) {
  auto found = info(id);
  if (!found) return found.error();
  if (!*found) return std::optional<StoredMessage>();
  StoredMessage message{std::move(**found), {}};
  auto rows = recipients(id, from, max_recipients);
  if (!rows) return rows.error();
  message.recipients = rows.take();
  return std::optional<StoredMessage>(std::move(message));
}

StoreResult<std::vector<StoredRecipient>> QueueReader::recipients(mail::QueueId id,
                                                                  std::uint32_t from,
                                                                  std::size_t max_recipients) {
  auto rows = store_.rows().recipients(id, from, max_recipients);
  if (!rows || !rows->empty()) return rows;
  auto compact = value(id);
  if (!compact) return compact.error();
  if (!*compact) return rows;
  std::optional<CompactRecord> record = decode_compact(id, (**compact).data);
  if (!record) return rows;
  return stored_message_of(*std::move(record), (**compact).rest, from, max_recipients).recipients;
}

StoreResult<std::optional<std::string>> QueueReader::content(mail::QueueId id, std::uint64_t offset,
                                                             std::size_t length) {
  auto row = store_.rows().content(id, offset, length);
  if (!row || *row) return row;
  auto compact = value(id);
  if (!compact) return compact.error();
  if (!*compact) return std::optional<std::string>();
  std::optional<CompactRecord> record = decode_compact(id, (**compact).data);
  if (!record) return unreadable(id);
  if (!record->message.info.has_stored_content()) return std::optional<std::string>();
  std::size_t from = std::min<std::uint64_t>(offset, record->content.size());
  return std::optional<std::string>(std::string(record->content.substr(from, length)));
}

StoreResult<std::optional<QueueReader::Compact>> QueueReader::compact(mail::QueueId id) {
  auto found = value(id);
  if (!found) return found.error();
  if (!*found) return std::optional<Compact>();
  std::optional<CompactRecord> record = decode_compact(id, (**found).data);
  if (!record) return unreadable(id);
  std::string content(record->content);
  return std::optional<Compact>(
      Compact{stored_message_of(*std::move(record), (**found).rest, 0, kCompactRecipients),
              std::move(content)});
}

StoreResult<std::vector<QueueReader::CompactSummary>> QueueReader::compact_summaries(
    mail::QueueId after, std::size_t limit) {
  auto page = store_.compact().page(after, mail::QueueId{INT64_MAX}, limit);
  if (!page) return page.error();
  std::vector<CompactSummary> out;
  for (const CompactMessages::Value& value : page->values) {
    CompactSummary& one = out.emplace_back();
    one.id = value.id;
    std::optional<CompactRecord> record = decode_compact(value.id, value.data);
    if (!record) continue;
    one.due = record->due;
    for (NewRecipient& r : record->message.recipients)
      if (std::find(one.destinations.begin(), one.destinations.end(), r.destination) ==
          one.destinations.end())
        one.destinations.push_back(std::move(r.destination));
  }
  return out;
}

}  // namespace postwain::qmgr
