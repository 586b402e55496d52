// Whether mail for a domain of ours finds its way: MX records, the addresses of their hosts (RFC
// 5321 5.1, RFC 7505), and TLSA records beside them (RFC 7672). Pure.
#pragma once

#include <string>
#include <vector>

#include "common/dns/answer.h"
#include "postwain/dns_check/dns_finding.h"

namespace postwain::tool {

struct MxHostAnswer {
  std::string name;
  dns::AddressAnswer addresses;
  dns::TlsaAnswer tlsa;  // at port 25
};

struct MxAnswers {
  std::string domain;
  dns::MxAnswer mx;
  dns::AddressAnswer addresses;     // of the domain itself; asked where there is no MX
  std::vector<MxHostAnswer> hosts;  // the best first
};

// Who we are.
struct OwnHost {
  std::string name;
  std::vector<std::string> addresses;
};

std::vector<DnsFinding> mx_findings(const MxAnswers& answers, const OwnHost& host);

// Of the hosts that have TLSA records. proven: the resolver's word on DNSSEC counts ([dns]
// trust_ad), so a record that is not authentic is one that nobody will use.
std::vector<DnsFinding> tlsa_findings(const MxAnswers& answers, bool proven);

}  // namespace postwain::tool
