// Messages that are one value each, in the tables fresh and fresh_left.
#pragma once

#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgCompact final : public CompactMessages {
 public:
  explicit PgCompact(PgSession& session) : session_(session) {}

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
  PgSession& session_;
};

}  // namespace postwain::qmgr
