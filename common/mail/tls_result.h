// How the TLS of one connection to a domain's mail host ended, as the domain may want to hear of it
// (SMTP TLS reporting, RFC 8460): the vocabulary between who sees it and who reports it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/sts_policy.h"
#include "common/mail/tlsa.h"

namespace postwain::mail {

// RFC 8460 4.3; all but the first are failures.
enum class TlsEnd : std::uint8_t {
  success,
  starttls_not_supported,
  certificate_host_mismatch,
  certificate_expired,
  certificate_not_trusted,
  validation_failure,  // anything the others do not name
  tlsa_invalid,
  dnssec_invalid,
  dane_required,
  sts_policy_fetch_error,
  sts_policy_invalid,
  sts_webpki_invalid,
};
constexpr TlsEnd kTlsEndLast = TlsEnd::sts_webpki_invalid;
std::string_view name_of(TlsEnd end);  // "certificate-expired", as it stands in reports
std::optional<TlsEnd> tls_end(std::string_view name);

// Whose policy is longer has the rest of it left out of reports: it is as long as its owner likes.
constexpr std::size_t kPolicyBytesMax = 8U << 10;

// What the domain had announced (RFC 8460 4.2), or that it had not.
struct ReportedPolicy {
  enum class Type : std::uint8_t { none, tlsa, sts };
  Type type = Type::none;
  std::string domain;              // against which it is defined; for TLSA the host's
  std::vector<std::string> lines;  // of the policy, or the records; not beyond kPolicyBytesMax
  std::vector<std::string> hosts;  // the "mx" of an STS policy; the same
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14
  auto operator<=>(const ReportedPolicy&) const = default;
};
std::string_view name_of(ReportedPolicy::Type type);  // "no-policy-found"
std::optional<ReportedPolicy::Type> policy_type(std::string_view name);

ReportedPolicy reported(const std::string& domain, const StsPolicy& policy);
ReportedPolicy reported(const std::string& host, const std::vector<Tlsa>& records);

struct TlsResult {
  std::string domain;  // of the recipients; A-labels
  ReportedPolicy policy;
  TlsEnd end = TlsEnd::success;
  // Of failures only, and what is known of them.
  std::string mx_host;
  std::string address;  // of that host
  std::string source;   // our own
  std::string reason;   // a few words of whoever found it
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14
  auto operator<=>(const TlsResult&) const = default;
};

// What one takes in memory or in a frame, roughly; under 20 KiB.
std::size_t bytes_of(const TlsResult& result);

struct CountedTlsResult {
  TlsResult result;
  std::uint64_t count = 0;
};

}  // namespace postwain::mail
