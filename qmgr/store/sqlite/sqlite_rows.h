// Messages that are rows, in the tables message, content and recipient (queue-schema/schema.sql).
#pragma once

#include "qmgr/store/queue_store.h"
#include "qmgr/store/sqlite/prepared_sql.h"

namespace postwain::qmgr {

class SqliteRows final : public MessageRows {
 public:
  explicit SqliteRows(PreparedSql& sql) : sql_(sql) {}

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
  StoreResult<bool> insert_message(const MessageInfo& info);
  StoreStatus insert_parts(const Insert& one);
  StoreError take_back(mail::QueueId id, StoreError why);
  StoreStatus change_one(const Change& one);
  StoreStatus defer(mail::QueueId id, const RecipientChange& change);

  PreparedSql& sql_;
};

}  // namespace postwain::qmgr
