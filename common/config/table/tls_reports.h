// [tls_reports]: how TLS went is told to the domains that ask for it (RFC 8460).
#pragma once

#include <chrono>
#include <string>

#include "common/base/time.h"
#include "common/config/table/origin.h"

namespace postwain::config {

struct TlsReports {
  bool wanted = false;  // the table is there
  std::string organization;
  std::string contact;  // an address
  std::string from;     // an address
  std::string dkim_selector;
  std::string dkim_key;      // path as written; empty: reports by mail are not signed here
  std::string dkim_key_pem;  // its content, for the process that signs
  std::string folder;        // what is counted and what waits to be sent
  Duration spread = std::chrono::hours(4);  // reports of a day leave within this time behind it
  Origin origin;
};

}  // namespace postwain::config
