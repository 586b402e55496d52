// Messages of the store in memory, in both forms.
#pragma once

#include "tests/memory_store/memory_store.h"

namespace postwain::qmgr::test {

class MemoryCompact final : public CompactMessages {
 public:
  explicit MemoryCompact(MemoryState& state) : state_(state) {}

  StoreResult<Flags> insert(std::span<const Insert> messages) override;
  StoreResult<Flags> remove_whole(std::span<const Whole> messages) override;
  StoreStatus remove(std::span<const mail::QueueId> ids) override;
  StoreStatus put_rests(std::span<const NewRest> rests) override;
  StoreResult<std::vector<std::optional<Rest>>> rests(std::span<const mail::QueueId> ids) override;
  StoreResult<std::vector<std::optional<Value>>> values(
      std::span<const mail::QueueId> ids) override;
  StoreResult<Page> page(mail::QueueId after, mail::QueueId last, std::size_t limit) override;
  StoreResult<std::optional<mail::QueueId>> first(mail::QueueId after, mail::QueueId last) override;

 private:
  MemoryState& state_;
};

class MemoryRows final : public MessageRows {
 public:
  explicit MemoryRows(MemoryState& state) : state_(state) {}

  StoreResult<Flags> insert(std::span<const Insert> messages) override;
  StoreResult<Flags> remove_whole(std::span<const Whole> messages) override;
  StoreResult<Flags> change(std::span<const Change> changes) override;
  StoreResult<std::vector<Removed>> remove_empty(std::span<const mail::QueueId> ids) override;
  StoreResult<std::vector<std::optional<MessageInfo>>> infos(
      std::span<const mail::QueueId> ids) override;
  StoreResult<std::vector<StoredRecipient>> recipients(mail::QueueId id, std::uint32_t from,
                                                       std::size_t limit) override;
  StoreResult<std::optional<std::string>> content(mail::QueueId id, std::uint64_t offset,
                                                  std::size_t length) override;
  StoreResult<std::vector<MessageInfo>> page(mail::QueueId after, mail::QueueId last,
                                             std::size_t limit) override;

 private:
  void insert_one(const Insert& one);

  MemoryState& state_;
};

class MemoryScan final : public RowScan {
 public:
  explicit MemoryScan(MemoryState& state) : state_(state) {}

  StoreResult<bool> recipients(const SurveyCursor& after, mail::QueueId last, std::size_t limit,
                               const OnRecipient& on_row) override;
  StoreResult<bool> senders(mail::QueueId after, mail::QueueId last, std::size_t limit,
                            const OnSender& on_row) override;
  StoreResult<mail::QueueId> count(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                   Counts& counts) override;
  StoreResult<mail::QueueId> first_id() override;
  StoreResult<mail::QueueId> last_id() override;
  StoreResult<std::size_t> in_doubt(std::size_t most) override;

 private:
  MemoryState& state_;
};

class MemoryWaiting final : public WaitingRows {
 public:
  explicit MemoryWaiting(MemoryState& state) : state_(state) {}

  StoreResult<DuePage> due(const std::string& destination, WallTime now, std::uint32_t limit,
                           const StoreCursor& after) override;
  StoreResult<std::vector<DueDestination>> destinations(const std::string& after,
                                                        std::size_t limit) override;
  StoreStatus write(std::span<const WaitingFact> facts) override;
  StoreResult<std::int64_t> set_back(const std::string& destination, WallTime now, Duration by,
                                     WallTime latest) override;

 private:
  void write_one(const BringForward& fact);
  void write_one(const MoveRecipients& fact);

  MemoryState& state_;
};

}  // namespace postwain::qmgr::test
