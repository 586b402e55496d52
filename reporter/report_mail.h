// A report as mail (RFC 8460 5.3). Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/base/time.h"
#include "reporter/report.h"

namespace postwain::reporter {

struct ReportMail {
  std::string from;
  std::string to;
  std::string domain;  // the report is about it
  Day day{};
  WallTime date{};
  std::string_view gzip;  // the report
};

// Header and body, all of it ASCII, without trace and signature.
std::string report_mail(const Submitter& submitter, const ReportMail& mail);

}  // namespace postwain::reporter
