// One aggregate report: what a domain hears of one day, as the XML of RFC 9990 appendix A. Pure.
//
// Where that RFC and RFC 7489 appendix C differ, the report is as RFC 9990 says, with every element
// that readers of the older form ask for, but for "pct", which has no meaning any more.
#pragma once

#include <string>

#include "reporter/dmarc/dmarc_counts.h"
#include "reporter/sending/submitter.h"

namespace postwain::reporter {

// Never that of another report of ours.
std::string dmarc_report_id(const Submitter& submitter, Day day, const std::string& domain);

std::string dmarc_report(const Submitter& submitter, Day day, const DmarcCounts::OfDomain& counts);

}  // namespace postwain::reporter
