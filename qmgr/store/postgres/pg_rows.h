// Messages that are rows, in the tables message, content and recipient.
#pragma once

#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgRows final : public MessageRows {
 public:
  explicit PgRows(PgSession& session) : session_(session) {}

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
  PgSession& session_;
};

}  // namespace postwain::qmgr
