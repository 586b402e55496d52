// A new message with all its recipients and its content in one value: so it lies in the store
// (table fresh) until something else than a delivery happens to it. Most mail is gone before that,
// and one row costs a fraction of many. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "qmgr/model/message.h"

namespace postwain::qmgr {

struct CompactRecord {
  NewMessage message;  // what the history alone needs is not kept; content: see below
  WallTime due{};
  std::string_view content;  // within the data that was decoded
};

// Whether the recipient is left of a message with that rest (queue_store.h).
constexpr bool is_left(std::string_view rest, std::size_t index) {
  return index >= rest.size() || rest[index] != '0';
}
// The message as it would be as rows: its recipients that are left, from index `from` on.
StoredMessage stored_message_of(CompactRecord record, std::string_view rest, std::uint32_t from,
                                std::size_t max_recipients);

// A message with more recipients is written as rows at once.
constexpr std::size_t kCompactRecipients = 1000;

// Replaces `out`. content: what the store keeps of it (MessageInfo::stored_size).
void encode_compact(std::string& out, const NewMessage& message, WallTime due,
                    std::string_view content);
// Whether the message can be one value: each part within the bounds that every engine has for rows
// (schema.sql, pg_migrations.cc), because it may become rows later, and the whole within the bound
// of a value.
bool fits_one_value(const NewMessage& message, std::string_view content);
// Nothing: this is no such value, or one of a later version.
std::optional<CompactRecord> decode_compact(mail::QueueId id, std::string_view data);

}  // namespace postwain::qmgr
