// Why the queue's store failed, in words of no engine: what follows from a failure depends on its
// kind alone. Each implementation of the port (queue_store.h) translates its own codes into these.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

#include "qmgr/disk/failpoint.h"

namespace postwain::qmgr {

struct StoreError {
  enum class Kind : std::uint8_t {
    refused,  // a value of this request cannot be stored or read: only this request fails
    full,     // no space: the transaction is gone, a later one may work
    again,    // nothing of this transaction was stored, and the same once more may work at once
    away,     // the engine cannot be reached: nothing was stored, a later transaction may work
    unsure,   // nobody can say yet whether the commit has happened
    fenced,   // another process has taken over what we wrote to: we may write no more
    busy,     // another process works with the store
    damaged,  // it is not ours, or it is broken inside
    broken,   // the disk or the engine failed: nothing of the store may be believed any more
  };
  Kind kind = Kind::broken;
  std::string text;  // for a person, complete without context
};

// The store did nothing, and will do the same later: it is away, or two transactions collided.
constexpr bool may_work_later(const StoreError& error) {
  return error.kind == StoreError::Kind::away || error.kind == StoreError::Kind::again;
}

// For a command that had to read or write there and could not, a code of sysexits.h: kExitTempFail
// where the same command may do later what it could not do now, kExitIoError where something has to
// be mended first.
int command_exit_code(const StoreError& error);

// Why a store that works writes nothing at present. It passes by itself.
enum class StoreTrouble : std::uint8_t { none, full, away };

// For the log: "full".
std::string_view name_of(StoreError::Kind kind);

template <class T>
using StoreResult = Result<T, StoreError>;
using StoreStatus = StoreResult<void>;

// A failpoint (disk/failpoint.h) within the store's work, with its failure as the store's own.
StoreStatus store_failpoint(Failpoint point);

}  // namespace postwain::qmgr
