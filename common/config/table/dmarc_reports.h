// [dmarc_reports]: what mail in the name of a domain was found to be is told to the domain, once a
// day, where it asks for that (RFC 9990).
#pragma once

#include <chrono>
#include <string>

#include "common/base/time.h"
#include "common/config/table/origin.h"

namespace postwain::config {

struct DmarcReports {
  bool wanted = false;  // the table is there
  std::string organization;
  std::string contact;                      // an address
  std::string from;                         // an address
  std::string folder;                       // what is counted and what waits to be sent
  Duration spread = std::chrono::hours(4);  // reports of a day leave within this time behind it
  Origin origin;
};

}  // namespace postwain::config
