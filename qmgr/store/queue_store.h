// The port between the queue and the engine that keeps it on disk. An engine stores values and
// gives them back in order; it knows nothing of deliveries, notices, retries or group commit, which
// lie above it (batch_writer.h, queue_reader.h, store_worker.h). Engines: SQLite (store/sqlite)
// and, for tests, memory (tests/memory_store); one suite of tests holds them to this contract.
//
// Calls take many values at once: an engine that lies behind a network answers each call in one
// round trip, and no call is made for each row.
//
// A message is kept in one of two forms, never in both: as one compact value (compact_record.h), or
// as rows: one for the message, one for what the store keeps of its content (MessageInfo), one for
// each recipient. The port does not look into a compact value.
//
// Promises. Between begin() and commit() or roll_back() there is one transaction, which sees its
// own writes. After commit() has succeeded nothing of it is ever lost. After any call of a
// transaction has failed the caller rolls it back. Results stand in the order of what was asked.
// What was stored may have been damaged since: values are checked when they are read.
//
// One thread at a time uses a store and everything it gives out; all of it belongs to the store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/queue_id.h"

#include "qmgr/model/changes.h"
#include "qmgr/model/message.h"
#include "qmgr/model/store_cursor.h"
#include "qmgr/store/content_pieces.h"
#include "qmgr/store/facts.h"
#include "qmgr/store/queue_counts.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// One for each value of a call: whether it was stored, found or removed.
using Flags = std::vector<bool>;

constexpr std::size_t kCompactPageBytes = 8U << 20;

// Messages that are one value each.
class CompactMessages {
 public:
  virtual ~CompactMessages() = default;

  struct Insert {
    mail::QueueId id;
    std::uint32_t recipients = 0;
    std::string_view data;
  };
  // rest: one character for each recipient, '0' for one that is settled; empty: all are left.
  struct Value {
    mail::QueueId id;
    std::string data;
    std::string rest;
  };
  struct Rest {
    std::uint32_t recipients = 0;
    std::string rest;
  };
  struct NewRest {
    mail::QueueId id;
    std::string rest;
  };
  struct Whole {
    mail::QueueId id;
    std::uint32_t recipients = 0;
  };

  // Not stored where a message has that id already, in either form.
  virtual StoreResult<Flags> insert(std::span<const Insert> messages) = 0;
  // Removes those that were stored with so many recipients and of which none is settled yet.
  virtual StoreResult<Flags> remove_whole(std::span<const Whole> messages) = 0;
  virtual StoreStatus remove(std::span<const mail::QueueId> ids) = 0;
  virtual StoreStatus put_rests(std::span<const NewRest> rests) = 0;
  virtual StoreResult<std::vector<std::optional<Rest>>> rests(
      std::span<const mail::QueueId> ids) = 0;
  virtual StoreResult<std::vector<std::optional<Value>>> values(
      std::span<const mail::QueueId> ids) = 0;
  struct Page {
    std::vector<Value> values;  // in the order of their ids
    bool end = false;           // there are no more up to `last`
  };
  // Those above `after` up to `last`: at most `limit`, and no more than kCompactPageBytes and one.
  virtual StoreResult<Page> page(mail::QueueId after, mail::QueueId last, std::size_t limit) = 0;
  // The lowest id above `after` up to `last`.
  virtual StoreResult<std::optional<mail::QueueId>> first(mail::QueueId after,
                                                          mail::QueueId last) = 0;
};

// Messages that are rows.
class MessageRows {
 public:
  virtual ~MessageRows() = default;

  struct Insert {
    const NewMessage* message = nullptr;
    WallTime due{};            // of all its recipients
    std::string_view content;  // what the store keeps
    std::string_view rest{};   // as in CompactMessages::Value
  };
  struct Whole {
    mail::QueueId id;
    std::size_t recipients = 0;  // so many are left, and these are
    std::uint32_t first = 0;     // the lowest index
    std::uint32_t last = 0;      // and the highest
  };
  struct Change {
    mail::QueueId id;
    const RecipientChange* change = nullptr;
  };
  struct Removed {
    bool removed = false;
    bool in_file = false;  // its content lies in a file
  };

  // Each is stored whole or not at all; not where a message has that id already, in either form.
  virtual StoreResult<Flags> insert(std::span<const Insert> messages) = 0;
  // Removes those of which just these recipients are left, whatever their state.
  virtual StoreResult<Flags> remove_whole(std::span<const Whole> messages) = 0;
  // Whether the recipient was there.
  virtual StoreResult<Flags> change(std::span<const Change> changes) = 0;
  // Removes those that have no recipient any more.
  virtual StoreResult<std::vector<Removed>> remove_empty(std::span<const mail::QueueId> ids) = 0;

  virtual StoreResult<std::vector<std::optional<MessageInfo>>> infos(
      std::span<const mail::QueueId> ids) = 0;
  // From index `from` on.
  virtual StoreResult<std::vector<StoredRecipient>> recipients(mail::QueueId id, std::uint32_t from,
                                                               std::size_t limit) = 0;
  // Nothing where no content is stored. Beyond its end: what there is, or an empty string.
  virtual StoreResult<std::optional<std::string>> content(mail::QueueId id, std::uint64_t offset,
                                                          std::size_t length) = 0;
  // Those above `after` up to `last`, in the order of their ids.
  virtual StoreResult<std::vector<MessageInfo>> page(mail::QueueId after, mail::QueueId last,
                                                     std::size_t limit) = 0;
};

// The whole queue's rows in the order of their ids, without building values of them: millions pass
// in a second. The view given to the visitor ends with its call; false ends the scan. A scan tells
// whether it has read all there was up to its end.
class RowScan {
 public:
  virtual ~RowScan() = default;

  struct RecipientRow {
    mail::QueueId id;
    std::int64_t index = 0;
    std::string_view address;
    RecipientState state = RecipientState::waiting;
    std::uint32_t attempts = 0;
  };
  using OnRecipient = std::function<bool(const RecipientRow& row)>;
  // Rows behind (after.id, after.index) up to the message `last`, at most `limit`.
  virtual StoreResult<bool> recipients(const SurveyCursor& after, mail::QueueId last,
                                       std::size_t limit, const OnRecipient& on_row) = 0;
  struct SenderRow {
    mail::QueueId id;
    std::string_view reverse_path;
  };
  using OnSender = std::function<bool(const SenderRow& row)>;
  virtual StoreResult<bool> senders(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                    const OnSender& on_row) = 0;
  // Adds one scan window to the counts: at most `limit` messages above `after` up to `last`. The
  // window's end; `last` where there are no more.
  virtual StoreResult<mail::QueueId> count(mail::QueueId after, mail::QueueId last,
                                           std::size_t limit, Counts& counts) = 0;
  // Of both forms. 0: the queue is empty.
  virtual StoreResult<mail::QueueId> first_id() = 0;
  virtual StoreResult<mail::QueueId> last_id() = 0;
  // How many recipients may have their message already; `most` where there are more.
  virtual StoreResult<std::size_t> in_doubt(std::size_t most) = 0;
};

// What a destination's queue holds of rows that wait.
struct DuePage {
  struct Row {
    mail::QueueId message;
    StoredRecipient recipient;
  };
  std::vector<Row> rows;              // in the order in which they are due
  std::vector<MessageInfo> messages;  // of the rows, each once
  std::optional<WallTime> next_due;   // of what was not read
};

struct DueDestination {
  std::string destination;
  WallTime due_at{};  // of its first row
};

// Recipients that wait, by destination and time.
class WaitingRows {
 public:
  virtual ~WaitingRows() = default;

  // Rows behind the cursor only.
  virtual StoreResult<DuePage> due(const std::string& destination, WallTime now,
                                   std::uint32_t limit, const StoreCursor& after) = 0;
  virtual StoreResult<std::vector<DueDestination>> destinations(const std::string& after,
                                                                std::size_t limit) = 0;
  virtual StoreStatus write(std::span<const WaitingFact> facts) = 0;
  // The clock was set back: whoever of the destination is due later than now is due that much
  // earlier, not before now and not after `latest`. The number of those changed. (All at once:
  // clocks are seldom set back, and this happens before anybody waits for us.)
  virtual StoreResult<std::int64_t> set_back(const std::string& destination, WallTime now,
                                             Duration by, WallTime latest) = 0;
};

// What is known of destinations besides their mail. Lists are in the order of their names, above
// `after`.
class DestinationFacts {
 public:
  virtual ~DestinationFacts() = default;

  virtual StoreStatus write(std::span<const DestinationFact> facts) = 0;
  virtual StoreResult<std::vector<OpenBreaker>> breakers(const std::string& after,
                                                         std::size_t limit) = 0;
  virtual StoreResult<std::vector<KnownMxSet>> mx_sets(const std::string& after,
                                                       std::size_t limit) = 0;
  virtual StoreResult<std::vector<KnownStsPolicy>> sts_policies(const std::string& after,
                                                                std::size_t limit) = 0;
  virtual StoreResult<std::vector<Suspension>> suspensions(const std::string& after,
                                                           std::size_t limit) = 0;
};

// What next hops said of recipients.
class RecipientChecks {
 public:
  virtual ~RecipientChecks() = default;

  virtual StoreStatus write(std::span<const RecipientFact> facts) = 0;
  virtual StoreResult<std::vector<RecipientCheck>> list(const std::string& after,
                                                        std::size_t limit) = 0;
};

struct StoredClock {
  WallTime last_seen{};  // zero: never
  std::vector<ClockGap> gaps;
};

// What the queue remembers of the clock.
class ClockMemory {
 public:
  virtual ~ClockMemory() = default;

  virtual StoreStatus write(std::span<const ClockFact> facts) = 0;
  virtual StoreResult<StoredClock> read() = 0;
};

// A copy of the whole store in a file of its own, made in pieces between other work.
class StoreCopy {
 public:
  virtual ~StoreCopy() = default;
  // True: that was the last piece, and the copy is closed.
  virtual StoreResult<bool> step() = 0;
};

// The engine's own upkeep. An engine that needs none of it does nothing.
class Maintenance {
 public:
  virtual ~Maintenance() = default;

  // Bytes of the log of changes that are not in their places yet.
  virtual std::int64_t log_bytes() const = 0;
  // Brings changes to their places. wholly: the log's file gets small again, too.
  virtual StoreStatus checkpoint(bool wholly) = 0;
  // Gives a little of the free space within the store back to the disk, where there is much. True:
  // there is more of it, and another step is worth it.
  virtual StoreResult<bool> vacuum_step() = 0;
  // The file of the log stays behind, empty, when the store is closed: where the disk has no names
  // for files left, the next start could not make it.
  virtual void keep_log_file() = 0;
  // Writes, in this transaction, a value that changes nothing: an empty commit would prove nothing.
  virtual StoreStatus prove_writable() = 0;
  // The former process did not end in good order.
  virtual bool was_unclean() const = 0;
  // Looks for damage, given up after that time. False: not finished. Damage is an error.
  virtual StoreResult<bool> check(Duration at_most) = 0;
  // refused: this engine is backed up in another way.
  virtual StoreResult<std::unique_ptr<StoreCopy>> begin_copy(const std::string& path) = 0;
};

// Who is lent what (facts.h).
class AttemptNames {
 public:
  virtual ~AttemptNames() = default;
  virtual StoreStatus write(std::span<const AttemptFact> facts) = 0;
};

class SharedQueue;

class QueueStore {
 public:
  virtual ~QueueStore() = default;

  virtual StoreStatus begin() = 0;
  virtual StoreStatus commit() = 0;
  virtual void roll_back() = 0;  // does nothing where there is no transaction

  virtual CompactMessages& compact() = 0;
  virtual MessageRows& rows() = 0;
  virtual RowScan& scan() = 0;
  virtual WaitingRows& waiting() = 0;
  virtual DestinationFacts& destinations() = 0;
  virtual RecipientChecks& recipient_checks() = 0;
  virtual ClockMemory& clock() = 0;
  virtual Maintenance& maintenance() = 0;
  // The bodies that lie in files, of a store that several machines share. Null: the files are all
  // there is of them.
  virtual ContentPieces* pieces() { return nullptr; }

  // Where several nodes share the queue; else null.
  virtual SharedQueue* shared() { return nullptr; }
  virtual AttemptNames* attempts() { return nullptr; }

  // tell is called within a call that waits for somebody else, once he has been silent for so long
  // that the queue should not rely on him; the call goes on waiting. An engine that waits for
  // nobody never calls it.
  virtual void on_silence(std::function<void()> tell) { (void)tell; }
};

}  // namespace postwain::qmgr
