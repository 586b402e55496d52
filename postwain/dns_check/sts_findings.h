// Whether senders learn that mail for a domain of ours has to come by TLS (MTA-STS, RFC 8461), and
// whom to tell how it went (RFC 8460). Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/dns/answer.h"
#include "postwain/dns_check/dns_finding.h"

namespace postwain::tool {

struct StsAnswers {
  std::string domain;
  dns::TextAnswer texts;                         // of _mta-sts.domain
  dns::AddressAnswer host;                       // of mta-sts.domain; asked where there is a record
  std::optional<Result<std::string>> fetched{};  // the policy; nothing: not asked for
  std::vector<std::string> mail_hosts{};         // of the MX records
};
// Where the policy of a domain is fetched.
std::string sts_host_name(const std::string& domain);
std::vector<DnsFinding> sts_findings(const StsAnswers& answers);

struct TlsReportAnswers {
  std::string domain;
  dns::TextAnswer texts;  // of _smtp._tls.domain
};
std::vector<DnsFinding> tls_report_findings(const TlsReportAnswers& answers);

}  // namespace postwain::tool
