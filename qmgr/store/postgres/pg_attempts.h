// Names of attempts, as the rows of batches have them (session/batch_names.h).
#pragma once

#include <span>

#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgAttempts final : public AttemptNames {
 public:
  explicit PgAttempts(PgSession& session) : session_(session) {}

  // fenced: a message is of another node's bag. Whoever lends it has not heard that his term, or
  // that bag, is over.
  StoreStatus write(std::span<const AttemptFact> facts) override;

 private:
  PgSession& session_;
};

}  // namespace postwain::qmgr
