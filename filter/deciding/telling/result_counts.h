// What mail authentication has found of a message, and what followed, counted for the metrics.
// Pure.
#pragma once

#include "common/config/table/authentication.h"
#include "common/ipc/authentication_counts.h"
#include "filter/deciding/authentication_findings.h"

namespace postwain::filter {

// Each method that was looked at once; DKIM once for each signature, or as "none".
void count_results(ipc::AuthenticationCounts& counts, const config::Authentication& settings,
                   const AuthenticationFindings& findings);
// What follows, or would if it were not only watched.
void count_end(ipc::AuthenticationCounts& counts, const AuthenticationVerdict& verdict);

}  // namespace postwain::filter
