#include "postwain/dns_check/host_findings.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postwain::tool {

namespace {

constexpr std::string_view kSomeAddressOfOurs = "192.0.2.1";  // nobody's (RFC 5737)

bool has_address(const dns::AddressAnswer& answer, const std::string& address) {
  return std::find(answer.addresses.begin(), answer.addresses.end(), address) !=
         answer.addresses.end();
}

std::string pointer_line(const std::string& address, const std::string& host) {
  return fmt::format("{}. IN PTR {}.", dns::reverse_name(address), host);
}

std::string address_line(const std::string& host, std::string_view address) {
  bool ipv6 = address.find(':') != std::string_view::npos;
  return fmt::format("{}. IN {} {}", host, ipv6 ? "AAAA" : "A", address);
}

DnsFinding host_address_finding(const HostAnswers& answers) {
  DnsFinding out{answers.host, "host", FindingLevel::ok, {}};
  if (answers.addresses.status == dns::AnswerStatus::temporary) {
    out.level = FindingLevel::warning;
    out.text =
        "the addresses of the host could not be looked up: " + printable(answers.addresses.trouble);
  } else if (answers.addresses.addresses.empty()) {
    out.level = FindingLevel::error;
    out.text = "the name that we say in EHLO has no address";
    out.publish = address_line(
        answers.host, answers.own.empty() ? kSomeAddressOfOurs : answers.own.front().address);
  } else {
    out.text = fmt::format("it has {} address{}", answers.addresses.addresses.size(),
                           answers.addresses.addresses.size() == 1 ? "" : "es");
  }
  return out;
}

// What is said of one address; several names are allowed, and one that leads back is enough.
DnsFinding pointer_finding(const HostAnswers& answers, const OwnAddressAnswer& own) {
  DnsFinding out{
      own.address, "ptr", FindingLevel::error, {}, pointer_line(own.address, answers.host)};
  if (own.names.status == dns::AnswerStatus::temporary) {
    return {own.address, "ptr", FindingLevel::warning, "its name (PTR) could not be looked up"};
  }
  if (own.names.names.empty()) {
    out.text = "it has no name (PTR), and many receivers refuse mail from such addresses";
    return out;
  }
  std::string confirmed;
  bool open = false;
  for (const NameOfAddress& back : own.back) {
    open = open || back.addresses.status == dns::AnswerStatus::temporary;
    if (!has_address(back.addresses, own.address)) continue;
    if (mail::domain_key(back.name) == mail::domain_key(answers.host))
      return {own.address, "ptr", FindingLevel::ok,
              fmt::format("its name is {}, and that leads back", answers.host)};
    confirmed = back.name;
  }
  std::string first = printable(own.names.names.front());
  if (!confirmed.empty()) {
    out.level = FindingLevel::advice;
    out.text = fmt::format("its name is {}, which leads back, but is not what we say in EHLO",
                           printable(confirmed));
  } else if (open) {
    return {own.address, "ptr", FindingLevel::warning,
            fmt::format("where its name {} leads could not be looked up", first)};
  } else {
    out.text = fmt::format("its name {} does not lead back to it", first);
  }
  return out;
}

}  // namespace

std::vector<DnsFinding> host_findings(const HostAnswers& answers) {
  std::vector<DnsFinding> out{host_address_finding(answers)};
  for (const OwnAddressAnswer& own : answers.own) out.push_back(pointer_finding(answers, own));
  if (answers.own.empty())
    out.push_back({answers.host, "ptr", FindingLevel::advice,
                   "no public address of this host is known; name them with --address"});
  return out;
}

}  // namespace postwain::tool
