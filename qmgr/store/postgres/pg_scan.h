// Scans of the rows of every bag that is ours, in the order of their ids.
#pragma once

#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgScan final : public RowScan {
 public:
  explicit PgScan(PgSession& session) : session_(session) {}

  StoreResult<bool> recipients(const SurveyCursor& after, mail::QueueId last, std::size_t limit,
                               const OnRecipient& on_row) override;
  StoreResult<bool> senders(mail::QueueId after, mail::QueueId last, std::size_t limit,
                            const OnSender& on_row) override;
  StoreResult<mail::QueueId> count(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                   Counts& counts) override;
  StoreResult<mail::QueueId> first_id() override { return ask_id(Pg::first_id); }
  StoreResult<mail::QueueId> last_id() override { return ask_id(Pg::last_id); }
  StoreResult<std::size_t> in_doubt(std::size_t most) override;

 private:
  StoreResult<mail::QueueId> ask_id(Pg statement);

  PgSession& session_;
};

}  // namespace postwain::qmgr
