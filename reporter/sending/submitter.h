// Who reports, as it stands in reports of all kinds.
#pragma once

#include <string>

#include "reporter/sending/day.h"

namespace postwain::reporter {

struct Submitter {
  std::string organization;
  std::string contact;   // an address
  std::string from;      // the address that reports by mail come from
  std::string domain;    // that of `from`: it reports, and signs
  std::string hostname;  // ours
};

// The same for the same day and domain, so that a report that is made again is the same report.
std::string report_id(const Submitter& submitter, Day day, const std::string& domain);

// "us.example!example.org!1795737600!1795823999.json.gz": RFC 8460 5.1 and RFC 9990 3.5.2 have the
// same form.
std::string report_file_name(const Submitter& submitter, Day day, const std::string& domain,
                             const char* extension);

}  // namespace postwain::reporter
