// The queue database: functions with names of our trade over prepared statements. It knows nothing
// of threads, batches or time; store_thread.h calls it between BEGIN and COMMIT.
//
// Opening follows a fixed recipe (store_open.cc): exclusive lock first, write-ahead log and full
// synchronisation read back, migrations, foreign and newer files refused. A file is created only
// where there is none and no trace of a former one.
//
// A Status or Result that fails carries SQLite's extended code; trouble_of() says how to take it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/mail/queue_id.h"

#include "qmgr/model/changes.h"
#include "qmgr/model/message.h"
#include "qmgr/model/store_cursor.h"
#include "qmgr/store/queue_counts.h"
#include "qmgr/store/sqlite/sqlite.h"
#include "qmgr/store/sqlite/statements.h"
#include "qmgr/verdicts/observed_time.h"

namespace postwain::qmgr {

constexpr std::int64_t kCheckpointIdleBytes = 4LL << 20;  // passive, when nothing waits
constexpr std::int64_t kCheckpointBytes = 16LL << 20;     // passive, after a commit
constexpr std::int64_t kCheckpointTruncateBytes = 64LL << 20;
constexpr std::int64_t kWalStopBytes = 256LL << 20;  // no new mail above this

enum class Accepted : std::uint8_t { stored, duplicate, conflict };

struct DuePage {
  struct Row {
    mail::QueueId message;
    StoredRecipient recipient;
  };
  std::vector<Row> rows;
  std::vector<MessageInfo> messages;  // of the rows, each once
  std::optional<WallTime> next_due;   // of what was not read
};

struct ListPage {
  std::vector<StoredMessage> slices;  // messages, the first and the last perhaps not whole
  ListCursor next;
  bool end = false;
};

struct DueDestination {
  std::string destination;
  WallTime due_at{};
};

struct StoredClock {
  WallTime last_seen{};  // zero: never
  std::vector<ClockGap> gaps;
};

class Store {
 public:
  // path: .../queue.db; no part of it may be a symbolic link.
  static Result<Store> open(const std::string& path, const char* vfs = nullptr);

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept = delete;
  ~Store();

  Status begin();
  Status commit();
  void roll_back();
  bool in_transaction() const { return db_.in_transaction(); }

  // Each is all or nothing: when it fails for a reason of its own (a value the schema refuses),
  // nothing of it stays, and what others did in this transaction does.
  // Parts and notices are written only with a message that is new. read_file: for notices.
  using ReadFile = std::string (*)(void* context, mail::QueueId id, std::size_t max_bytes);
  // A message with `packed` is written as one value (compact_record.h), where nobody finds it by
  // destination: see unpack.
  Result<Accepted> accept(Submission& submission, WallTime due, ReadFile read_file, void* context);
  Result<Accepted> accept(const NewMessage& message, WallTime due);
  // content_start reads the beginning of a content file for a notice's quote.
  Result<Settled> settle(const Settlement& settlement, ReadFile read_file, void* context);
  // Written as one value, it becomes rows, due then at the latest. Nothing happens when it is rows
  // already, or gone.
  Status normalise(mail::QueueId id, WallTime due_at_latest);
  Status normalise_all();  // in transactions of its own
  // Those that are one value, behind `after`, with their recipients' destinations, each once.
  struct Packed {
    mail::QueueId id;
    std::vector<std::string> destinations;
    WallTime due{};
  };
  Result<std::vector<Packed>> packed(mail::QueueId after, std::size_t limit);
  // A message that is one value; nothing when it is none. content: where it is no file.
  struct CompactMessage {
    StoredMessage message;
    std::string content;
  };
  Result<std::optional<CompactMessage>> compact(mail::QueueId id);
  Status put_breaker(const OpenBreaker& breaker);
  Status remove_breaker(const std::string& destination);
  Status put_mx_set(const KnownMxSet& known, WallTime now);
  Status remove_mx_sets_before(WallTime time);
  Status put_sts_policy(const std::string& domain, const mail::StsPolicy& policy);
  Status remove_sts_policies_before(WallTime fetched);
  // What waits for a later try because the destination could not be reached is due now; at most
  // `limit` recipients, those due first.
  Status bring_forward(const std::string& destination, WallTime now, std::size_t limit);
  // Recipients that wait become those of another destination; who is gone or held stays so.
  struct Moved {
    mail::QueueId id;
    std::uint32_t index = 0;
    std::string destination;
    WallTime due{};  // for the caller: as the row has it
  };
  Status move(const std::vector<Moved>& recipients);
  Status put_suspension(const Suspension& suspension);
  Status remove_suspension(const std::string& destination);

  Status put_recipient_check(const RecipientCheck& check);
  Status remove_recipient_checks_before(WallTime time);
  Status put_clock(WallTime last_seen);
  Status put_clock_gaps(const std::vector<ClockGap>& gaps);  // all there are
  // The clock was set back: whoever of the destination is due later than now is due that much
  // earlier, not before now and not after `latest`. Tells how many. (All in one statement: clocks
  // are seldom set back, and only before anybody waits for us.)
  Result<std::int64_t> set_back(const std::string& destination, WallTime now, Duration by,
                                WallTime latest);

  // Reads, each bounded.
  Result<StoredClock> clock();
  // Rows behind the cursor only.
  Result<DuePage> due(const std::string& destination, WallTime now, std::uint32_t limit,
                      const StoreCursor& after = {});
  Result<std::vector<DueDestination>> destinations(const std::string& after, std::size_t limit);
  Result<std::vector<OpenBreaker>> breakers(const std::string& after, std::size_t limit);
  // How many recipients may have their message already; `most` when there are more.
  Result<std::size_t> in_doubt(std::size_t most);
  Result<std::vector<KnownMxSet>> mx_sets(const std::string& after, std::size_t limit);
  Result<std::vector<KnownStsPolicy>> sts_policies(const std::string& after, std::size_t limit);
  Result<std::vector<Suspension>> suspensions(const std::string& after, std::size_t limit);
  Result<std::vector<RecipientCheck>> recipient_checks(const std::string& after, std::size_t limit);
  // max_recipients: a message with more gives its first ones, from index `from` on.
  Result<std::optional<StoredMessage>> message(mail::QueueId id, std::uint32_t from,
                                               std::uint32_t max_recipients);
  Result<bool> has_message(mail::QueueId id);
  // Nothing when there is no such row.
  Result<std::optional<std::string>> content(mail::QueueId id, std::uint64_t offset,
                                             std::size_t length);
  // From `at` on, up to the message `last`. max_recipients: of the page; a message that has more is
  // cut there, and the next page goes on within it.
  Result<ListPage> list(ListCursor at, mail::QueueId last, std::size_t max_messages,
                        std::size_t max_recipients);
  // Goes through at most max_rows rows of recipients, or of senders, behind `after` and up to
  // `last`. The first message that may be meant, or nothing; `after` moves to just before it, or to
  // the end of what was looked at.
  using MayMatch = std::function<bool(std::string_view address)>;
  using MayMatchState = std::function<bool(RecipientState, std::uint32_t attempts)>;
  Result<bool> skim_recipients(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                               const MayMatch& may_match, const MayMatchState& may_match_state);
  Result<bool> skim_senders(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                            const MayMatch& may_match);
  // Every recipient of the queue, in stretches: about max_rows of them behind `at`, which moves on,
  // of messages up to `last`. False: that was the end.
  using OnRecipient = std::function<void(mail::QueueId id, std::string_view address)>;
  Result<bool> survey(SurveyCursor& at, mail::QueueId last, std::size_t max_rows,
                      const OnRecipient& on_recipient);
  // Counts one stretch of at most max_messages rows behind `after`, up to `last`; end of the
  // stretch, or nothing when there are no more.
  Result<std::optional<mail::QueueId>> count(mail::QueueId after, mail::QueueId last,
                                             std::size_t max_messages, Counts& counts);
  Result<mail::QueueId> last_id();
  Result<mail::QueueId> first_id();  // 0: the queue is empty

  std::int64_t wal_bytes() const { return *wal_bytes_; }
  enum class Checkpoint : std::uint8_t { passive, truncate };
  Status checkpoint(Checkpoint how);
  // The file of the log stays behind, empty, when the database is closed: where the disk has no
  // names for files left, the next start could not make it.
  void keep_log_file();
  Status vacuum_step();  // gives pages back when a quarter of the file is free

  // The former process did not end in good order: there was a log beside the file.
  bool was_unclean() const { return unclean_; }
  // SQLite's own check, given up after that time. False: not finished. The error of a file that is
  // broken inside is SQLITE_CORRUPT.
  Result<bool> quick_check(Duration at_most);

  Database& database() { return db_; }

 private:
  explicit Store(Database db);
  Status prepare();
  Statement& sql(Sql which) { return statements_[static_cast<std::size_t>(which)]; }
  Error error(Sql which);
  Result<Accepted> in_savepoint(const std::function<Result<Accepted>()>& work);
  Error take_back(mail::QueueId id, Error why);
  Result<Accepted> insert_all(Submission& submission, WallTime due, ReadFile read_file,
                              void* context);
  // content: where the message has none of its own.
  Result<Accepted> insert(const NewMessage& message, WallTime due,
                          const std::string* content = nullptr);
  // left: which recipients, one character each, '0' those that are gone; empty: all.
  Status insert_rows(const NewMessage& message, WallTime due, std::string_view content,
                     std::string_view left = {});
  Status insert_message(const NewMessage& message);
  Result<Accepted> pack(const NewMessage& message, WallTime due, std::string_view content);
  // Of one that lies there as a value.
  struct CompactRow {
    std::string data;
    std::string left;  // as above
  };
  Result<std::optional<CompactRow>> compact_row(mail::QueueId id);
  Result<bool> remove_from_compact(const Settlement& settlement, Settled& settled);
  Status remove_compact(mail::QueueId id);
  Result<std::optional<StoredMessage>> compact_message(mail::QueueId id, std::uint32_t from,
                                                       std::size_t max_recipients);
  Result<std::optional<std::string>> compact_content(mail::QueueId id, std::uint64_t offset,
                                                     std::size_t length);
  Result<std::optional<mail::QueueId>> first_compact(mail::QueueId after, mail::QueueId last);
  Result<std::size_t> list_compact(std::vector<MessageInfo>& infos, ListCursor at,
                                   mail::QueueId last, std::size_t max_messages);
  Result<bool> skim(mail::QueueId& after, mail::QueueId last,
                    const std::function<Result<bool>(mail::QueueId last)>& rows);
  Result<bool> skim_recipient_rows(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                   const MayMatch& may_match, const MayMatchState& may_match_state);
  Result<bool> skim_sender_rows(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                const MayMatch& may_match);
  Result<std::vector<std::pair<mail::QueueId, std::vector<std::string>>>> compact_addresses(
      mail::QueueId after, mail::QueueId last, std::size_t max_messages);
  Status count_compact(mail::QueueId after, mail::QueueId end, Counts& counts);
  Result<Accepted> same_message(const NewMessage& message);
  Result<bool> change(mail::QueueId id, const RecipientChange& change);
  Result<Settled> apply(const Settlement& settlement, ReadFile read_file, void* context);
  Status write_notice(NoticeOrder order, const MessageInfo& original, Settled& settled,
                      ReadFile read_file, void* context);
  Result<std::optional<Settled>> settle_whole(const Settlement& settlement);
  Status remove_if_empty(mail::QueueId id, Settled& settled);
  Result<std::optional<MessageInfo>> info(mail::QueueId id);
  std::optional<MessageInfo> read_info(Use& use);
  Status read_recipients(StoredMessage& message, std::uint32_t from, std::size_t max_recipients);
  Status simple(Sql which);

  Database db_;
  std::array<Statement, kSqlCount> statements_;
  std::unique_ptr<std::int64_t> wal_bytes_;  // set by a callback of SQLite
  bool unclean_ = false;
  std::string compact_data_;  // scratch
};

}  // namespace postwain::qmgr
