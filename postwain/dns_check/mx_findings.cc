#include "postwain/dns_check/mx_findings.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/dns/special_address.h"
#include "common/dns/tls_plan.h"
#include "common/mail/address.h"
#include "common/mail/tlsa.h"

namespace postwain::tool {

namespace {

constexpr std::uint16_t kMailPort = 25;

std::string mx_line(const std::string& domain, const OwnHost& host) {
  return fmt::format("{}. IN MX 10 {}.", domain, host.name);
}

bool is_at_own_host(const MxHostAnswer& mx, const OwnHost& host) {
  if (mail::domain_key(mx.name) == mail::domain_key(host.name)) return true;
  return std::any_of(mx.addresses.addresses.begin(), mx.addresses.addresses.end(),
                     [&](const std::string& address) {
                       return std::find(host.addresses.begin(), host.addresses.end(), address) !=
                              host.addresses.end();
                     });
}

DnsFinding without_mx(const MxAnswers& answers, const OwnHost& host) {
  DnsFinding out{answers.domain, "mx", FindingLevel::error, {}, mx_line(answers.domain, host)};
  if (answers.addresses.status == dns::AnswerStatus::ok) {
    out.level = FindingLevel::warning;
    out.text = "there is no MX record, so mail goes to the addresses of the domain itself";
  } else {
    out.text = "there is no MX record, so nobody can send mail to it";
  }
  return out;
}

DnsFinding host_finding(const MxAnswers& answers, const MxHostAnswer& mx) {
  DnsFinding out{answers.domain, "mx", FindingLevel::ok, {}};
  std::string name = printable(mx.name);
  if (mx.addresses.status == dns::AnswerStatus::temporary) {
    out.level = FindingLevel::warning;
    out.text = fmt::format("the addresses of {} could not be looked up", name);
  } else if (mx.addresses.addresses.empty()) {
    out.level = FindingLevel::error;
    out.text = fmt::format("the MX host {} has no address", name);
  } else if (std::all_of(mx.addresses.addresses.begin(), mx.addresses.addresses.end(),
                         dns::is_special_address)) {
    out.level = FindingLevel::warning;
    out.text = fmt::format("no address of the MX host {} is one of the internet ({})", name,
                           mx.addresses.addresses.front());
  } else if (!mx.addresses.canonical.empty()) {
    out.level = FindingLevel::advice;
    out.text = fmt::format(
        "the MX host {} is an alias (CNAME), which RFC 5321 (5.1) does not allow; name {}", name,
        printable(mx.addresses.canonical));
  }
  return out;
}

}  // namespace

std::vector<DnsFinding> mx_findings(const MxAnswers& answers, const OwnHost& host) {
  const std::string& domain = answers.domain;
  if (answers.mx.status == dns::AnswerStatus::temporary)
    return {{domain, "mx", FindingLevel::warning,
             "the MX records could not be looked up: " + printable(answers.mx.trouble)}};
  if (answers.mx.records.empty()) return {without_mx(answers, host)};
  if (std::any_of(answers.mx.records.begin(), answers.mx.records.end(),
                  [](const dns::MxRecord& record) { return record.host.empty(); }))
    return {{domain, "mx", FindingLevel::error,
             "its MX record says that it takes no mail (RFC 7505)", mx_line(domain, host)}};
  std::vector<DnsFinding> out;
  for (const MxHostAnswer& mx : answers.hosts)
    if (DnsFinding one = host_finding(answers, mx); one.level != FindingLevel::ok)
      out.push_back(std::move(one));
  bool ours = std::any_of(answers.hosts.begin(), answers.hosts.end(),
                          [&](const MxHostAnswer& mx) { return is_at_own_host(mx, host); });
  std::string best = answers.hosts.empty() ? std::string() : printable(answers.hosts[0].name);
  if (ours)
    out.push_back({domain, "mx", FindingLevel::ok,
                   fmt::format("mail comes to {} host{}, and we are among them",
                               answers.hosts.size(), answers.hosts.size() == 1 ? "" : "s")});
  else
    out.push_back(
        {domain, "mx", FindingLevel::advice,
         fmt::format("mail comes to {}, not to {}; unless that hands it on to us, change it", best,
                     host.name),
         mx_line(domain, host)});
  return out;
}

std::vector<DnsFinding> tlsa_findings(const MxAnswers& answers, bool proven) {
  std::vector<DnsFinding> out;
  for (const MxHostAnswer& mx : answers.hosts) {
    if (mx.tlsa.status != dns::AnswerStatus::ok || mx.tlsa.records.empty()) continue;
    DnsFinding one{answers.domain, "dane", FindingLevel::ok, {}};
    std::string name = printable(dns::tlsa_name(mx.name, kMailPort));
    if (!mail::any_usable(mx.tlsa.records)) {
      one.level = FindingLevel::warning;
      one.text = fmt::format(
          "of the TLSA records of {} none is one that mail can use (RFC 7672 3.1)", name);
    } else if (proven && !mx.tlsa.authentic) {
      one.level = FindingLevel::warning;
      one.text =
          fmt::format("the TLSA records of {} are not signed (DNSSEC), so nobody heeds them", name);
    } else {
      one.text = fmt::format("{} has TLSA records that can be used", name);
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace postwain::tool
