// Recipients that wait, merged from all bags that are ours.
#pragma once

#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgWaiting final : public WaitingRows {
 public:
  explicit PgWaiting(PgSession& session) : session_(session) {}

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

  PgSession& session_;
};

}  // namespace postwain::qmgr
