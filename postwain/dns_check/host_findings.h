// Whether our host is who it says it is: its addresses, and the names of these, which have to lead
// back (RFC 1912 2.1; large providers refuse mail otherwise). Pure.
#pragma once

#include <string>
#include <vector>

#include "common/dns/answer.h"
#include "postwain/dns_check/dns_finding.h"

namespace postwain::tool {

struct NameOfAddress {
  std::string name;
  dns::AddressAnswer addresses;
};

struct OwnAddressAnswer {
  std::string address;
  dns::NameAnswer names;              // PTR
  std::vector<NameOfAddress> back{};  // where the names lead
};

struct HostAnswers {
  std::string host;  // [hostname]: what we call ourselves in EHLO
  dns::AddressAnswer addresses;
  std::vector<OwnAddressAnswer> own;
};

std::vector<DnsFinding> host_findings(const HostAnswers& answers);

}  // namespace postwain::tool
