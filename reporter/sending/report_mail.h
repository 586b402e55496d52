// A report as mail: what RFC 8460 5.3 and RFC 9990 3.5.2 say of it is nearly the same. Pure.
#pragma once

#include <string>
#include <string_view>

#include "reporter/sending/submitter.h"

namespace postwain::reporter {

struct ReportMail {
  std::string to;
  std::string domain;  // the report is about it
  Day day{};
  WallTime date{};
  std::string_view gzip;  // the report
};

// What differs between kinds of reports. All of it ASCII.
struct ReportMailForm {
  std::string_view id;            // the Report-ID, and the Message-ID
  std::string_view fields;        // further ones of the header section, each with its CRLF
  std::string_view content_type;  // of the whole, up to its boundary
  std::string_view about;         // "a report of SMTP TLS results (RFC 8460)"
  std::string_view format;        // "JSON"
  std::string_view media_type;    // of the attachment
  const char* extension;          // of its name
};

// Header and body, all of it ASCII, without trace and signature.
std::string report_mail(const Submitter& submitter, const ReportMail& mail,
                        const ReportMailForm& form);

}  // namespace postwain::reporter
