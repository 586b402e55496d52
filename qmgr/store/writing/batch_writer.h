// Writes a batch of requests through the port (queue_store.h): new messages, what became of
// recipients and the notices that tell of it, and small facts, all in one transaction.
//
// A request whose values the store refuses fails alone: the batch is halved until it stands by
// itself. (Values are judged before they come here, verdicts/gate.h, so this is rare.)
//
// It keeps no state of the queue and knows no thread; store_worker.h says when it is called.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/store/batch.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

// The beginning of a content file, for a notice's quote; empty when it cannot be read. Not asked
// where the store has pieces of it.
using ReadContentFile = std::function<std::string(mail::QueueId id, std::size_t max_bytes)>;

class BatchWriter {
 public:
  BatchWriter(QueueStore& store, ReadContentFile read_file)
      : store_(store), read_file_(std::move(read_file)) {}

  // Moves what was committed, and what was refused for its own values, from `batch` to `written`,
  // with its answer in each request; in the order in which it was committed. After a failure of the
  // store the rest stays in `batch`, and nothing of that rest is stored.
  StoreStatus write(Batch& batch, Batch& written);
  // How long the last commit took; once for each commit, then zero.
  std::chrono::microseconds take_commit_time() { return std::exchange(commit_took_, {}); }

  // Within a transaction of the caller, without halving and without failpoints of a commit.
  StoreStatus apply(Batch& batch);
  // Compact messages as rows, due then at the latest, in a transaction of the caller.
  StoreStatus normalise(std::span<const mail::QueueId> ids, WallTime due_at_latest);
  // All there are, in transactions of its own; a compact value that cannot be read stays.
  StoreStatus normalise_all();

 private:
  struct Settling;
  StoreStatus write_with_retries(Batch& batch);
  StoreStatus write_all(Batch& batch);

  StoreStatus settle(std::span<const std::unique_ptr<SettleRequest>> requests);
  StoreStatus settle_whole(std::vector<Settling>& open);
  StoreStatus settle_compact(std::vector<Settling>& open);
  StoreStatus remove_ended(std::span<const mail::QueueId> ids, EndAttempts attempts);
  StoreStatus make_rows(std::vector<Settling>& open);
  StoreStatus change_rows(std::vector<Settling>& open);
  StoreStatus write_notices(std::vector<Settling>& open);
  StoreStatus remove_empty(std::vector<Settling>& open);
  StoreStatus remove_pieces(std::span<const std::unique_ptr<SettleRequest>> requests);
  StoreResult<std::string> start_of(const MessageInfo& original, std::size_t wanted);
  StoreStatus add_notices(const std::vector<NoticeOrder>& orders, const MessageInfo& original,
                          std::span<const std::uint32_t> changed, std::vector<NewMessage>& written);

  StoreStatus put(std::span<const FactRequest> facts);
  StoreStatus put_attempts(std::span<const FactRequest> facts);

  struct Inserting;
  StoreStatus name_stored(std::span<const std::unique_ptr<AcceptRequest>> requests);
  StoreStatus accept(std::span<const std::unique_ptr<AcceptRequest>> requests);
  StoreStatus accept_rest(std::span<const std::unique_ptr<AcceptRequest>> requests);
  StoreResult<std::set<const AcceptRequest*>> lacking_pieces(
      std::span<const std::unique_ptr<AcceptRequest>> requests);
  StoreStatus refuse_lacking(AcceptRequest& request);
  StoreResult<bool> take_out(const NewMessage& message);
  StoreStatus insert(std::vector<Inserting>& messages);
  StoreResult<AcceptEnd> end_of_duplicate(const NewMessage& message);
  StoreStatus insert_own(std::span<const NewMessage> notices);

  QueueStore& store_;
  ReadContentFile read_file_;
  std::chrono::microseconds commit_took_{};
  std::vector<std::string> values_;  // scratch: compact records on their way into the store
};

}  // namespace postwain::qmgr
