#include "common/mail/tls_result.h"

#include <array>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(kTlsEndLast) + 1> kEnds{
    "success",
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid"};
constexpr std::array<std::string_view, 3> kTypes{"no-policy-found", "tlsa", "sts"};

template <class Value, std::size_t count>
std::optional<Value> value_of(const std::array<std::string_view, count>& names,
                              std::string_view name) {
  for (std::size_t i = 0; i < count; ++i)
    if (names[i] == name) return static_cast<Value>(i);
  return std::nullopt;
}

}  // namespace

std::string_view name_of(TlsEnd end) {
  return kEnds[static_cast<std::size_t>(end)];
}
std::optional<TlsEnd> tls_end(std::string_view name) {
  return value_of<TlsEnd>(kEnds, name);
}
std::string_view name_of(ReportedPolicy::Type type) {
  return kTypes[static_cast<std::size_t>(type)];
}
std::optional<ReportedPolicy::Type> policy_type(std::string_view name) {
  return value_of<ReportedPolicy::Type>(kTypes, name);
}

ReportedPolicy reported(const std::string& domain, const StsPolicy& policy) {
  ReportedPolicy out{ReportedPolicy::Type::sts, domain, {}, {}};
  out.lines.emplace_back("version: STSv1");
  out.lines.push_back(fmt::format("mode: {}", name_of(policy.mode)));
  std::size_t room = kPolicyBytesMax;
  for (const std::string& host : policy.hosts) {
    if (host.size() > room) break;
    room -= host.size();
    out.hosts.push_back(host);
    out.lines.push_back("mx: " + host);
  }
  out.lines.push_back(fmt::format("max_age: {}", policy.max_age));
  return out;
}

ReportedPolicy reported(const std::string& host, const std::vector<Tlsa>& records) {
  ReportedPolicy out{ReportedPolicy::Type::tlsa, host, {}, {}};
  std::size_t room = kPolicyBytesMax;
  for (const Tlsa& record : records) {
    std::string line = fmt::format("{} {} {} {}", record.usage, record.selector, record.matching,
                                   hex_encode(record.data));
    if (line.size() > room) break;
    room -= line.size();
    out.lines.push_back(std::move(line));
  }
  return out;
}

std::size_t bytes_of(const TlsResult& result) {
  std::size_t bytes = sizeof result + result.domain.size() + result.policy.domain.size() +
                      result.mx_host.size() + result.address.size() + result.source.size() +
                      result.reason.size();
  for (const auto* list : {&result.policy.lines, &result.policy.hosts})
    for (const std::string& text : *list) bytes += sizeof(std::string) + text.size();
  return bytes;
}

}  // namespace postwain::mail
