#include "reporter/tls/tls_report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace postwain::reporter {

namespace {

using nlohmann::ordered_json;

ordered_json policy_json(const mail::ReportedPolicy& policy) {
  ordered_json out = {{"policy-type", name_of(policy.type)}};
  if (!policy.lines.empty()) out["policy-string"] = policy.lines;
  out["policy-domain"] = policy.domain;
  if (!policy.hosts.empty()) out["mx-host"] = policy.hosts;
  return out;
}

ordered_json failure_json(const mail::TlsResult& result, std::uint64_t count) {
  ordered_json out = {{"result-type", name_of(result.end)}};
  auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) out[key] = value;
  };
  add("sending-mta-ip", result.source);
  add("receiving-mx-hostname", result.mx_host);
  add("receiving-ip", result.address);
  out["failed-session-count"] = count;
  add("failure-reason-code", result.reason);
  return out;
}

struct OfPolicy {
  std::uint64_t good = 0;
  std::uint64_t bad = 0;
  ordered_json failures = ordered_json::array();
};

}  // namespace

std::string tls_report(const Submitter& submitter, Day day, const std::string& domain,
                       const ResultCounts::Results& results) {
  std::map<mail::ReportedPolicy, OfPolicy> policies;
  for (const auto& [result, count] : results) {
    OfPolicy& of = policies[result.policy];
    if (result.end == mail::TlsEnd::success) {
      of.good += count;
      continue;
    }
    of.bad += count;
    of.failures.push_back(failure_json(result, count));
  }
  ordered_json list = ordered_json::array();
  for (auto& [policy, of] : policies) {
    ordered_json one = {
        {"policy", policy_json(policy)},
        {"summary",
         {{"total-successful-session-count", of.good}, {"total-failure-session-count", of.bad}}}};
    if (!of.failures.empty()) one["failure-details"] = std::move(of.failures);
    list.push_back(std::move(one));
  }
  ordered_json report = {{"organization-name", submitter.organization},
                         {"date-range",
                          {{"start-datetime", name_of(day) + "T00:00:00Z"},
                           {"end-datetime", name_of(day) + "T23:59:59Z"}}},
                         {"contact-info", submitter.contact},
                         {"report-id", report_id(submitter, day, domain)},
                         {"policies", std::move(list)}};
  return report.dump(2, ' ', true, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace postwain::reporter
