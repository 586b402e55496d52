// One report: what a domain hears of one day, as the JSON of RFC 8460 4. Pure.
#pragma once

#include <string>

#include "reporter/sending/submitter.h"
#include "reporter/tls/tls_counts.h"

namespace postwain::reporter {

std::string tls_report(const Submitter& submitter, Day day, const std::string& domain,
                       const ResultCounts::Results& results);

}  // namespace postwain::reporter
