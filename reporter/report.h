// One report: what a domain hears of one day, as the JSON of RFC 8460 4. Pure.
#pragma once

#include <string>

#include "reporter/result_counts.h"

namespace postwain::reporter {

struct Submitter {
  std::string organization;
  std::string contact;   // an address
  std::string domain;    // reports come from there, and are signed by it
  std::string hostname;  // ours
};

// The same for the same day and domain, so that a report that is made again is the same report.
std::string report_id(const Submitter& submitter, Day day, const std::string& domain);

std::string report_json(const Submitter& submitter, Day day, const std::string& domain,
                        const ResultCounts::Results& results);

// "mx.us.example!example.org!1795737600!1795823999.json.gz" (RFC 8460 5.1)
std::string report_file_name(const Submitter& submitter, Day day, const std::string& domain);

}  // namespace postwain::reporter
