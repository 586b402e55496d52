// What the tests of the store share: one request, committed.
#pragma once

#include <catch2/catch.hpp>

#include "qmgr/store/sqlite/store.h"
#include "tests/unit/qmgr/support.h"

namespace postwain::qmgr::test {

inline Accepted put(Store& store, const NewMessage& message) {
  REQUIRE(store.begin().ok());
  auto accepted = store.accept(message, at(0));
  REQUIRE(accepted.ok());
  REQUIRE(store.commit().ok());
  return *accepted;
}

inline RecipientChange removal(std::uint32_t index) {
  RecipientChange change;
  change.index = index;
  change.kind = ChangeKind::remove;
  return change;
}

inline Settled settle(Store& store, const Settlement& settlement) {
  REQUIRE(store.begin().ok());
  auto settled = store.settle(settlement, nullptr, nullptr);
  REQUIRE(settled.ok());
  REQUIRE(store.commit().ok());
  return settled.take();
}

}  // namespace postwain::qmgr::test
