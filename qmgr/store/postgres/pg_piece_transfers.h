// Pieces of bodies by sessions of their own, beside the lane that writes messages
// (content_pieces.h).
//
// Each round trip that writes is a transaction of its own, which is not synced, and fails where the
// node's term has been ended. That is looked at without a lock, so such a write may still come too
// late; then it belongs to no message, because whoever ended the term has fenced the lane.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/store/content_pieces.h"
#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/postgres/session/pg_options.h"

namespace postwain::qmgr {

class PgPieceTransfers final : public PieceTransfers {
 public:
  PgPieceTransfers(PgOptions options, std::int16_t node, std::int64_t term)
      : options_(std::move(options)), node_(node), term_(term) {}

  StoreResult<bool> put(mail::QueueId id, std::uint64_t size, const Source& source) override;
  StoreStatus copy(mail::QueueId from, mail::QueueId to) override;
  StoreResult<bool> get(mail::QueueId id, std::uint64_t size, const Sink& sink) override;
  StoreStatus drop(std::span<const mail::QueueId> ids) override;

 private:
  using Connection = std::unique_ptr<PgConnection>;
  using Commands = std::vector<PgCommand>;
  // What the commands of a writing transaction brought, without what frames them.
  using Results = StoreResult<std::vector<PgResult>>;

  StoreResult<Connection> connect();
  Connection take_idle();
  void give_back(Connection connection);
  StoreResult<Connection> begin(const Commands& commands, std::vector<PgResult>& results);
  static StoreError error_of(const PgAnswers& answers);
  Commands in_transaction(Commands commands) const;
  Results write(PgConnection& connection, Commands commands) const;
  StoreResult<bool> write_body(PgConnection& connection, mail::QueueId id, std::uint64_t size,
                               const Source& source) const;
  StoreResult<PgResult> read(Connection& connection, mail::QueueId id, std::int64_t from);
  // A session on which what was left over of that id is gone. Null: a message refers to pieces.
  StoreResult<Connection> clear(mail::QueueId id);

  const PgOptions options_;
  const std::int16_t node_;
  const std::int64_t term_;
  std::mutex mutex_;
  Connection idle_;          // one at most
  MonoTime connect_from_{};  // after a failure; calls until then fail at once
  std::string unreachable_;  // why
};

}  // namespace postwain::qmgr
