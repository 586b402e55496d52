// What a failure that PostgreSQL names by an SQLSTATE (its manual, appendix A) means for the queue.
// Pure.
#pragma once

#include <string_view>

#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// Of any statement. (That a fence failed because another process has taken over is told by its
// 22012, division by zero, which pg_session.cc looks for before it asks here: of every other
// statement this code is a value that is refused.) A code that is not five characters long, or
// unknown, is `broken`.
StoreError::Kind kind_of_sqlstate(std::string_view sqlstate);

}  // namespace postwain::qmgr
