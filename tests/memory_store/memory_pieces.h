// Pieces of bodies of the store in memory (qmgr/store/content_pieces.h), where a test wants them.
// What transfers write is there at once, whatever becomes of the store's transaction. They know no
// messages: put() replaces, and drop() removes.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "qmgr/store/content_pieces.h"
#include "tests/memory_store/memory_store.h"

namespace postwain::qmgr::test {

class MemoryBodies final : public PieceTransfers {
 public:
  StoreResult<bool> put(mail::QueueId id, std::uint64_t size, const Source& source) override;
  StoreStatus copy(mail::QueueId from, mail::QueueId to) override;
  StoreResult<bool> get(mail::QueueId id, std::uint64_t size, const Sink& sink) override;
  StoreStatus drop(std::span<const mail::QueueId> ids) override;

  // Nothing: there is none.
  std::optional<std::string> body(mail::QueueId id) const;
  void set(mail::QueueId id, std::string body);
  std::size_t count() const { return ids().size(); }
  std::vector<std::uint64_t> ids() const;  // in their order
  // All calls fail in that way, until they are told otherwise.
  void fail(std::optional<StoreError::Kind> how);
  std::size_t gets() const;  // so often was get() called

 private:
  StoreStatus status() const;

  mutable std::mutex mutex_;
  std::map<mail::QueueId, std::string> bodies_;
  std::optional<StoreError::Kind> failing_;
  std::size_t gets_ = 0;
};

class MemoryPieces final : public ContentPieces {
 public:
  explicit MemoryPieces(MemoryState& state) : state_(state) {}

  StoreResult<std::vector<bool>> whole(std::span<const Body> bodies) override;
  StoreStatus remove(std::span<const mail::QueueId> ids) override;
  StoreResult<std::string> start(mail::QueueId id, std::size_t octets) override;
  StoreResult<LeftPage> left(unsigned bag, mail::QueueId after, mail::QueueId last,
                             std::size_t limit) override;
  StoreResult<std::size_t> remove_left(mail::QueueId id) override;
  std::shared_ptr<PieceTransfers> transfers() override { return state_.bodies; }

 private:
  MemoryState& state_;
};

}  // namespace postwain::qmgr::test
