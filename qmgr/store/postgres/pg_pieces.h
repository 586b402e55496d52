// Pieces of bodies in PostgreSQL (content_pieces.h): rows of the table chunk. As the store's thread
// sees them, in the transactions of its lane.
#pragma once

#include <memory>

#include "qmgr/store/content_pieces.h"
#include "qmgr/store/postgres/session/pg_session.h"

namespace postwain::qmgr {

class PgPieces final : public ContentPieces {
 public:
  explicit PgPieces(PgSession& session) : session_(session) {}

  StoreResult<std::vector<bool>> whole(std::span<const Body> bodies) override;
  StoreStatus remove(std::span<const mail::QueueId> ids) override;
  StoreResult<std::string> start(mail::QueueId id, std::size_t octets) override;
  StoreResult<LeftPage> left(unsigned bag, mail::QueueId after, mail::QueueId last,
                             std::size_t limit) override;
  StoreResult<std::size_t> remove_left(mail::QueueId id) override;
  std::shared_ptr<PieceTransfers> transfers() override;

 private:
  PgSession& session_;
};

}  // namespace postwain::qmgr
