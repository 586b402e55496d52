// Whether a domain of ours says what is to be done with mail that only claims to come from it
// (RFC 9989). Pure.
#pragma once

#include <string>
#include <vector>

#include "common/dns/answer.h"
#include "postwain/dns_check/dmarc_look.h"
#include "postwain/dns_check/dns_finding.h"

namespace postwain::tool {

struct DmarcDomainAnswers {
  std::string domain;
  dns::TextAnswer texts;  // of _dmarc.domain
  DmarcFacts facts;
};

std::vector<DnsFinding> dmarc_findings(const DmarcDomainAnswers& answers);

}  // namespace postwain::tool
