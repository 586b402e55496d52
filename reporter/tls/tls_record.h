// The record by which a domain asks for reports: TXT of _smtp._tls.DOMAIN (RFC 8460 3). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "reporter/sending/report_uri.h"

namespace postwain::reporter {

constexpr std::size_t kReportUrisMax = 4;  // of one domain; more are passed over

// Of the one record that begins with "v=TLSRPTv1;". Nothing: the domain wants no reports, which is
// also so when there are two.
std::vector<ReportUri> report_uris(const std::vector<std::string>& texts);

}  // namespace postwain::reporter
