// A DMARC policy record (RFC 9989 4.7, 4.8): what the owner of a domain wishes to be done with mail
// that claims to come from there and cannot show it. Pure; the text is a stranger's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/authentication/dmarc/report_uri.h"

namespace postwain::authentication {

constexpr std::size_t kDmarcRecordMax = 4096;  // octets; a longer text is no record

// In the order of their severity.
enum class DmarcPolicy : std::uint8_t { none, quarantine, reject };
std::string_view name_of(DmarcPolicy policy);

enum class DmarcAlignment : std::uint8_t { relaxed, strict };

// Whether the domain is a public suffix, below which strangers have domains (tag psd).
enum class DmarcPsd : std::uint8_t { unknown, yes, no };

// About which failures single reports are wanted (tag fo); only of use with ruf.
struct DmarcFailureOptions {
  bool all = true;   // "0": nothing aligned passed
  bool any = false;  // "1": something that was looked at did not
  bool dkim = false;
  bool spf = false;
  bool operator==(const DmarcFailureOptions&) const = default;
};

struct DmarcRecord {
  // p: nothing when it is missing or none of the three. The same of sp and np, but for these
  // `bad_subpolicy` tells of one that is there and none of the three.
  std::optional<DmarcPolicy> policy;
  std::optional<DmarcPolicy> subdomains;
  std::optional<DmarcPolicy> nonexistent;
  bool bad_subpolicy = false;
  DmarcAlignment dkim = DmarcAlignment::relaxed;  // adkim
  DmarcAlignment spf = DmarcAlignment::relaxed;   // aspf
  DmarcPsd psd = DmarcPsd::unknown;
  bool testing = false;  // t=y
  DmarcFailureOptions failures;
  std::vector<ReportUri> aggregate_reports;  // rua
  std::vector<ReportUri> failure_reports;    // ruf
  bool operator==(const DmarcRecord&) const = default;
};

// Nothing: the text is no DMARC record, because "v=DMARC1", exactly so, does not stand first. Of
// the tags behind it those without a sense, and those that stand there a second time, are passed
// over; pct, rf and ri of RFC 7489 mean nothing any more.
std::optional<DmarcRecord> parse_dmarc_record(std::string_view text);

// The record as policy discovery takes it (RFC 9989 4.10.1): without a valid p, or with an sp or
// np that is not valid, it counts as "p=none" when somebody is to be told of the mail, and as no
// policy (nothing) when nobody is.
std::optional<DmarcRecord> with_policy(const DmarcRecord& record);

}  // namespace postwain::authentication
