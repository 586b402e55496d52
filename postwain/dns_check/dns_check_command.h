// `postwain check --dns`: what the DNS of the world lacks, or has wrong, for our host and for the
// domains of the configuration.
#pragma once

#include <string>
#include <vector>

#include "common/base/time.h"
#include "postwain/client/client_options.h"
#include "postwain/dns_check/dns_finding.h"

namespace postwain::tool {

struct DnsCheckOptions {
  bool wanted = false;
  std::vector<std::string> addresses;  // ours; empty: those that can be found out
  std::vector<std::string> domains;    // only these; empty: all that are ours
  std::string within = "1m";           // all questions together
};

// 0: nothing is worse than advice. 1: something is. 78: the configuration itself is wrong.
int dns_check_command(const ClientOptions& options, const DnsCheckOptions& wanted);

// One line for each finding, and below it what to publish.
std::string finding_lines(const std::vector<DnsFinding>& findings);

}  // namespace postwain::tool
