// Whether the SPF record of a domain lets our host send its mail (RFC 7208), and whether it is one
// that receivers can use. Pure: the evaluations are done.
#pragma once

#include <string>
#include <vector>

#include "common/authentication/spf/spf_check.h"
#include "common/dns/answer.h"
#include "postwain/dns_check/dns_finding.h"

namespace postwain::tool {

struct SpfClient {
  std::string address;
  authentication::SpfFinding finding;
};

struct SpfAnswers {
  std::string domain;
  bool hello = false;  // of our host's name, for mail without a sender (RFC 7208 2.3)
  dns::TextAnswer texts;
  std::vector<SpfClient> clients;         // for each address of ours
  authentication::SpfFinding stranger{};  // for an address of nobody
};

std::vector<DnsFinding> spf_findings(const SpfAnswers& answers);

}  // namespace postwain::tool
