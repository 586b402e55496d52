// What a domain asks of those who send to it (MTA-STS, RFC 8461): the policy, the text it comes as,
// and what it says of a host. Pure: fetching is common/http, keeping is qmgr's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"

namespace postwain::mail {

constexpr std::size_t kStsTextMax = 64U << 10;    // RFC 8461 3.3
constexpr std::size_t kStsHostsMax = 100;         // mx lines
constexpr std::uint32_t kStsAgeMax = 31'557'600;  // RFC 8461 3.2: a year, in seconds

struct StsPolicy {
  enum class Mode : std::uint8_t { none, testing, enforce };
  std::string id;  // of the TXT record it was fetched for
  Mode mode = Mode::none;
  std::vector<std::string> hosts;  // "mx.example.org", "*.example.org"; lower case
  std::uint32_t max_age = 0;       // seconds
  WallTime fetched_at{};

  bool fresh(WallTime now) const { return now < fetched_at + std::chrono::seconds(max_age); }
  // Whether mail may go to this host: one of `hosts`, or one label below "*." (RFC 8461 4.1).
  bool lists(std::string_view host) const;
  bool operator==(const StsPolicy&) const = default;
};
std::string_view name_of(StsPolicy::Mode mode);

// The id of the one record of _mta-sts.DOMAIN that begins with "v=STSv1" (RFC 8461 3.1). Nothing:
// the domain has no policy; so when there is more than one such record.
std::optional<std::string> sts_id(const std::vector<std::string>& texts);

// RFC 8461 3.2. Sets why and returns nothing when it is no policy; id and fetched_at are the
// caller's to set.
std::optional<StsPolicy> parse_sts_policy(std::string_view text, std::string& why);

}  // namespace postwain::mail
