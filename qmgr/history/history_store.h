// The history database: what became of every recipient, also after the message has left the queue.
// Functions with names of our trade over prepared statements; no threads, no time of its own.
//
// Nothing in it is needed to deliver mail, so it is cheap instead of certain: synced only at
// checkpoints (synchronous=NORMAL), never for a message. history.h feeds it from a thread of its
// own.
//
// A message is found by sender, recipient, Message-ID or remote queue id through `lookup`, whose
// keys are hashes within a segment of kSegmentMessages messages or kSegmentAge: writing touches
// only the pages of the newest segment, and a search makes a few steps for each segment.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/result.h"

#include "qmgr/history/history_record.h"
#include "qmgr/history/lookup_hash.h"
#include "qmgr/history/timeline.h"
#include "qmgr/store/sqlite/sqlite.h"

namespace postwain::qmgr {

constexpr std::uint32_t kSegmentMessages = 16384;
constexpr Duration kSegmentAge = std::chrono::hours(24);
constexpr std::int64_t kHistoryCheckpointBytes = 16LL << 20;

constexpr std::int64_t kRefusalsMax = 100'000;  // kept; the oldest go first
constexpr std::size_t kRefusalsPruned = 1000;   // of one step

class HistoryStore {
 public:
  // Makes the file where there is none.
  static Result<HistoryStore> open(const std::string& path);
  HistoryStore(HistoryStore&&) noexcept = default;
  HistoryStore& operator=(HistoryStore&& other) noexcept = delete;
  ~HistoryStore();

  // One transaction. When it fails nothing of it was written. now: for the segments.
  Status write(std::string_view records, WallTime now);

  // A queue id, an address, a Message-ID, a remote queue id. Newest first. For a recipient's
  // address only his recipients are given.
  Result<std::vector<Timeline>> find(const std::string& query, std::size_t limit);

  // Newest first. By the address of sender or recipient, by the client's address, or by both.
  Result<std::vector<RefusedAttempt>> find_refusals(const std::string& address,
                                                    const std::string& client, std::size_t limit);

  // Forgets at most max_messages that came in before `before` and of which nothing was heard since;
  // and lookups of segments that old; and refusals, which
  // are also bounded in number. True: there may be more.
  Result<bool> prune(WallTime before, std::size_t max_messages);
  Status checkpoint_if_large();
  Status vacuum_step();

  Database& database() { return db_; }
  static std::vector<std::string_view> statements();

 private:
  enum class Sql : std::uint8_t {
    begin,
    commit,
    roll_back,
    put_message,
    put_known_message,
    arrival_known,
    put_recipient,
    put_event,
    put_lookup,
    put_segment,
    last_segment,
    segment_before,
    segment_behind,
    look_up,
    get_message,
    get_recipients,
    get_events,
    old_messages,
    last_event,
    remove_message,
    remove_recipients,
    remove_events,
    remove_lookups,
    remove_segment,
    put_refusal,
    refusals_by_sender,
    refusals_by_recipient,
    refusals_by_client,
    first_refusal,
    last_refusal,
    remove_refusals,
    put_judgements,
    get_judgements,
    remove_judgements,
    count_
  };
  static std::string_view text_of(Sql which);
  using Key = std::pair<std::int64_t, std::int64_t>;  // hash, message

  explicit HistoryStore(Database db) : db_(std::move(db)) {}
  Status prepare();
  Statement& sql(Sql which) { return statements_[static_cast<std::size_t>(which)]; }
  Status run(Sql which);
  Error error(Sql which) const { return db_.error(text_of(which).substr(0, 40)); }
  Status write_all(std::string_view records);
  Status write_arrival(const ArrivalRecord& record);
  Status write_judgements(std::int64_t id, std::string_view judgements);
  Status write_discard(const ArrivalRecord& record);
  Result<bool> knows_arrival(std::int64_t id);
  Status write_event(const EventRecord& record);
  Status take_event(const EventRecord& record);
  Status write_pending();
  Status read_refusals(Sql which, std::int64_t hash, const std::string& client,
                       std::vector<std::pair<std::int64_t, RefusedAttempt>>& found);
  Result<std::int64_t> refusal_number(Sql which);
  Status write_refusal(const RefusalRecord& record);
  Result<bool> prune_refusals(WallTime before);
  Status make_known(const EventRecord& record);
  Status write_lookups();
  Status turn_segment(WallTime now);
  Status find_parts(mail::QueueId id, std::size_t limit, std::vector<Timeline>& timelines);
  Result<std::optional<std::int64_t>> segment_before(std::int64_t segment);
  Status look_up(std::int64_t segment, LookupKind kind, const std::string& query, std::size_t max,
                 std::vector<std::int64_t>& found);
  Result<std::optional<Timeline>> timeline(std::int64_t id, std::string_view query);
  static void add_recipients(Timeline& timeline, const std::vector<ArrivalRecord::To>& all,
                             std::string_view query);
  Status read_recipients(Timeline& timeline, std::string_view query);
  Status read_judgements(Timeline& timeline);
  Status read_events(Timeline& timeline);
  Result<bool> prune_segment(WallTime before, std::size_t max_lookups);
  Status forget(std::int64_t message);

  Database db_;
  std::array<Statement, static_cast<std::size_t>(Sql::count_)> statements_;
  std::unique_ptr<std::int64_t> wal_bytes_ = std::make_unique<std::int64_t>(0);
  std::int64_t next_event_ = 1;
  std::string recipients_;  // scratch
  std::int64_t segment_ = 0;
  WallTime segment_began_{};
  std::uint32_t segment_messages_ = 0;
  std::int64_t prune_behind_ = 0;  // messages up to here were looked at in this round
  // Messages whose arrival is in this segment: whoever is heard of is known, and found by it.
  std::unordered_set<std::int64_t> arrivals_;
  // Of the transaction being written:
  std::optional<EventRecord> pending_;  // the last event, which others may join
  std::vector<std::uint32_t> also_;     // who has
  std::vector<Key> keys_;
};

}  // namespace postwain::qmgr
