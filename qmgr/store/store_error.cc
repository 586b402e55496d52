#include "qmgr/store/store_error.h"

#include <cerrno>

#include "common/base/sysexits.h"

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

int command_exit_code(const StoreError& error) {
  switch (error.kind) {
    case StoreError::Kind::full:
    case StoreError::Kind::again:
    case StoreError::Kind::away:
    case StoreError::Kind::unsure:
    case StoreError::Kind::fenced:
    case StoreError::Kind::busy:
      return kExitTempFail;
    case StoreError::Kind::refused:
    case StoreError::Kind::damaged:
    case StoreError::Kind::broken:
      break;
  }
  return kExitIoError;
}

StoreStatus store_failpoint(Failpoint point) {
  Status reached = failpoint(point);
  if (reached) return {};
  bool full = reached.error().code == ENOSPC;
  return StoreError{full ? StoreError::Kind::full : StoreError::Kind::broken, reached.error().text};
}

}  // namespace postwain::qmgr
