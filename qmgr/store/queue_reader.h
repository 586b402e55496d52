// Reading messages of the store, whichever of their two forms they have (queue_store.h). Every read
// is bounded by its arguments. It makes nothing and keeps nothing: one is made where it is used, on
// the store's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class QueueReader {
 public:
  explicit QueueReader(QueueStore& store) : store_(store) {}

  // Nothing: there is no such message. A compact value that cannot be read is an error of its own
  // (refused).
  StoreResult<std::optional<MessageInfo>> info(mail::QueueId id);
  // From index `from` on, at most so many recipients.
  StoreResult<std::optional<StoredMessage>> message(mail::QueueId id, std::uint32_t from,
                                                    std::uint32_t max_recipients);
  StoreResult<std::vector<StoredRecipient>> recipients(mail::QueueId id, std::uint32_t from,
                                                       std::size_t max_recipients);
  StoreResult<bool> has_message(mail::QueueId id);
  // Of what the store keeps (MessageInfo::stored_size). Nothing where it keeps none: there is no
  // such message, or all of its content lies in a file.
  StoreResult<std::optional<std::string>> content(mail::QueueId id, std::uint64_t offset,
                                                  std::size_t length);

  // A message that is one compact value; nothing when it is none. content: what the store keeps.
  struct Compact {
    StoredMessage message;
    std::string content;
  };
  StoreResult<std::optional<Compact>> compact(mail::QueueId id);

  // Compact messages above `after`, with their recipients' destinations, each once. Empty: there
  // are no more.
  struct CompactSummary {
    mail::QueueId id;
    std::vector<std::string> destinations;
    WallTime due{};
  };
  StoreResult<std::vector<CompactSummary>> compact_summaries(mail::QueueId after,
                                                             std::size_t limit);

 private:
  StoreResult<std::optional<CompactMessages::Value>> value(mail::QueueId id);

  QueueStore& store_;
};

}  // namespace postwain::qmgr
