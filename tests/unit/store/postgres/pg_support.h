// What the tests of the PostgreSQL engine share.
#pragma once

#include <catch2/catch.hpp>

#include <cstdint>
#include <memory>

#include "qmgr/store/postgres/pg_store.h"
#include "tests/postgres_server/postgres_server.h"

namespace postwain::qmgr::test {

// Whether there is a server; said aloud where there is none.
inline bool has_server() {
  if (PostgresServer::get() != nullptr) return true;
  WARN("SKIPPED: " << PostgresServer::why_not());
  return false;
}

inline std::unique_ptr<PgStore> opened(const PgOptions& options) {
  auto store = PgStore::open(options);
  if (!store) FAIL(store.error().text);
  return store.take();
}

// Stores a compact value in a transaction of its own.
inline StoreStatus put(PgStore& store, std::uint64_t id) {
  CompactMessages::Insert one{mail::QueueId{id}, 1, "value"};
  (void)store.begin();
  auto stored = store.compact().insert({&one, 1});
  StoreStatus done = stored ? store.commit() : stored.error();
  if (!done) store.roll_back();
  return done;
}

}  // namespace postwain::qmgr::test
