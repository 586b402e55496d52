// The log lines of deliveries: one per recipient and attempt, all from here.
#pragma once

#include <cstddef>

#include "common/agent/attempt.h"
#include "common/mail/outcome.h"

namespace postwain::agent {

// event delivered, deferred or failed; id, to, host, address, reply, stage, tls, signed or sealed,
// delay.
void log_outcome(const Attempt& attempt, std::size_t row, const mail::Outcome& outcome);

}  // namespace postwain::agent
