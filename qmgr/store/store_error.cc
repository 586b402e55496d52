#include "qmgr/store/store_error.h"

#include <cerrno>

namespace postwain::qmgr {

std::string_view name_of(StoreError::Kind kind) {
  switch (kind) {
    case StoreError::Kind::refused:
      return "refused";
    case StoreError::Kind::full:
      return "full";
    case StoreError::Kind::again:
      return "again";
    case StoreError::Kind::away:
      return "away";
    case StoreError::Kind::unsure:
      return "unsure";
    case StoreError::Kind::fenced:
      return "fenced";
    case StoreError::Kind::busy:
      return "busy";
    case StoreError::Kind::damaged:
      return "damaged";
    case StoreError::Kind::broken:
      break;
  }
  return "broken";
}

StoreStatus store_failpoint(Failpoint point) {
  Status reached = failpoint(point);
  if (reached) return {};
  bool full = reached.error().code == ENOSPC;
  return StoreError{full ? StoreError::Kind::full : StoreError::Kind::broken, reached.error().text};
}

}  // namespace postwain::qmgr
