// What a failure that PostgreSQL names by an SQLSTATE (its manual, appendix A) means for the queue.
// Pure.
#pragma once

#include <string_view>

#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// Of a statement other than a fence, whose failure always means `fenced` (pg_session.h). A code
// that is not five characters long, or unknown, is `broken`.
StoreError::Kind kind_of_sqlstate(std::string_view sqlstate);

}  // namespace postwain::qmgr
