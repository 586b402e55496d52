#include "qmgr/store/postgres/pg_store.h"

#include <utility>

namespace postwain::qmgr {

StoreResult<std::unique_ptr<PgStore>> PgStore::open(PgOptions options) {
  auto session = PgSession::open(std::move(options));
  if (!session) return session.error();
  return std::unique_ptr<PgStore>(new PgStore(session.take()));
}

StoreStatus PgMaintenance::prove_writable() {
  session_.defer(Pg::prove_writable, PgParameters().int2(session_.node()));
  return {};
}

StoreResult<std::unique_ptr<StoreCopy>> PgMaintenance::begin_copy(const std::string&) {
  return StoreError{StoreError::Kind::refused,
                    "the queue lies in PostgreSQL, which is backed up by its own means"};
}

}  // namespace postwain::qmgr
