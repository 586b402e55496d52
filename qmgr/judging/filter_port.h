// Whoever asks the filters about a message that lies in the store (filter_asker.h); in unit tests,
// the test.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/config/table/filter.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/queue_id.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

// A message that waits for its filters, as the store has it.
struct UnjudgedMessage {
  StoredMessage message;
  std::string stored;  // what the store keeps of its content (MessageInfo::stored_size)
};

// The body that a filter has made: here, or in the content file of that id.
struct NewBody {
  std::string octets;
  std::uint64_t size = 0;
  bool in_file = false;
  mail::QueueId file;
  bool eight_bit = false;
};

// A recipient whom a filter refuses, and nobody else.
struct RefusedRecipient {
  std::uint32_t index = 0;
  std::string filter;
  mail::Reply reply;
};

// What came of asking.
struct Judged {
  enum class End : std::uint8_t {
    result,      // all of them have spoken
    lost,        // the process `filter` has gone meanwhile, or the trouble is ours
    unreadable,  // we cannot read the message ourselves
    too_large,   // larger than any message may be: its header section, or what filters made of it
  };
  End end = End::result;
  std::vector<RefusedRecipient> refused;  // what else is said counts for the others
  ipc::FilterResult result;               // `section` is of no use, the next one is
  std::string section;                    // where header_changed
  std::uint64_t body_begin = 0;           // of the content as it was: where its body begins
  std::optional<NewBody> body{};          // where body_replaced
};

class FilterPort {
 public:
  using Done = std::function<void(Judged)>;
  virtual ~FilterPort() = default;
  // They can be asked now. When that begins, Judging::filters_up() is called.
  virtual bool up() const = 0;
  // What becomes of such mail while they cannot; the strictest of theirs.
  virtual config::FilterFailure fallback(ipc::FilterKind kind) const = 0;
  // done: once, later.
  virtual void ask(std::shared_ptr<const UnjudgedMessage> message, Done done) = 0;
  // done is not called any more, for none.
  virtual void stop() = 0;
};

}  // namespace postwain::qmgr
