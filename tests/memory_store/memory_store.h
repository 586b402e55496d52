// The queue's store in memory, for unit tests: the second engine behind the port of
// qmgr/store/queue_store.h, held to the same contract as SQLite. It keeps nothing when the State is
// gone, and refuses the same values as the schema does.
//
// A test may say that the next commits fail (fail_commits), as a full or broken disk would do, or
// wait (fall_silent), as behind a network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/store/queue_store.h"

namespace postwain::qmgr::test {

class MemoryBodies;

// What is on the "disk". It outlives the store, so that a store can be opened on it again.
struct MemoryState {
  struct Compact {
    std::uint32_t recipients = 0;
    std::string data;
    std::string rest;
  };
  using RecipientKey = std::pair<mail::QueueId, std::uint32_t>;

  std::map<mail::QueueId, Compact> compact;
  std::map<mail::QueueId, MessageInfo> messages;
  std::map<mail::QueueId, std::string> contents;
  std::map<RecipientKey, StoredRecipient> recipients;
  std::map<std::string, OpenBreaker> breakers;
  std::map<std::string, PutMxSet> mx_sets;
  std::map<std::string, mail::StsPolicy> sts_policies;
  std::map<std::string, Suspension> suspensions;
  std::map<std::string, RecipientCheck> recipient_checks;
  StoredClock clock;
  bool is_shared = false;                // names are kept only then
  std::vector<AttemptName> names;        // of attempts, in the order in which they were made
  std::shared_ptr<MemoryBodies> bodies;  // memory_pieces.h; null: it has no pieces
  std::vector<mail::QueueId> leaving;    // of those, with this transaction
  bool no_room = false;  // what makes the store larger fails as on a full disk; removing succeeds
  std::size_t log_room = SIZE_MAX;  // so many changes of recipients fit into one transaction
  std::size_t logged = 0;           // of them, in this one
  int free_steps = 0;               // of giving free room back, before there is none left
  int whole_checkpoints = 0;

  bool has_message(mail::QueueId id) const {
    return compact.count(id) > 0 || messages.count(id) > 0;
  }
  void remove_message(mail::QueueId id);
};

class MemoryStore final : public QueueStore {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryState> state);
  ~MemoryStore() override;

  // From now on commits fail in that way, or so many of them; nothing: they succeed.
  void fail_commits(std::optional<StoreError::Kind> how, int times = -1) {
    failing_ = how;
    times_ = times;
  }
  // In the next commit somebody is waited for (QueueStore::on_silence), and it succeeds then.
  void fall_silent() { silent_ = true; }
  void on_silence(std::function<void()> tell) override { tell_ = std::move(tell); }
  // What the test makes of other nodes; it outlives the store.
  void share(SharedQueue* shared) { shared_ = shared; }
  SharedQueue* shared() override { return shared_; }
  const MemoryState& state() const { return *state_; }

  StoreStatus begin() override;
  StoreStatus commit() override;
  void roll_back() override;

  CompactMessages& compact() override;
  MessageRows& rows() override;
  RowScan& scan() override;
  WaitingRows& waiting() override;
  DestinationFacts& destinations() override;
  RecipientChecks& recipient_checks() override;
  ClockMemory& clock() override;
  Maintenance& maintenance() override;
  ContentPieces* pieces() override;
  AttemptNames* attempts() override;

 private:
  struct Parts;

  std::shared_ptr<MemoryState> state_;
  std::optional<MemoryState> before_;  // of the transaction under way
  std::optional<StoreError::Kind> failing_;
  int times_ = -1;  // so many are to fail; below zero: all
  bool silent_ = false;
  SharedQueue* shared_ = nullptr;
  std::function<void()> tell_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace postwain::qmgr::test
