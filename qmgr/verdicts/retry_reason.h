// Why a deferred recipient is tried again at just that time, in words for an operator. Pure.
#pragma once

#include <string>

#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

// change: what judge() made of the outcome.
std::string retry_reason(const MessageInfo& message, const RecipientFacts& before,
                         const RecipientChange& change, const RetryRules& rules, WallTime now);

}  // namespace postwain::qmgr
