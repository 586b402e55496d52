// The walk up the tree of names (RFC 9989 4.10): which names are asked for a DMARC record, and
// which of those that have one is the organizational domain. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dmarc/dmarc_record.h"

namespace postwain::authentication {

// A name with more labels is asked itself, and then those of its ancestors that have fewer labels
// than this: so nobody can make us ask more often by longer names.
constexpr std::size_t kWalkNamesMax = 8;

// The names that are asked, the longest first: the domain and its ancestors, the top-level domain
// among them.
std::vector<std::string_view> walk_names(std::string_view domain);

// A name of a walk that has a record; the record lives elsewhere.
struct WalkRecord {
  std::string_view name;
  const DmarcRecord* record = nullptr;
};

// Whether the walk ends with this record (psd=y or psd=n).
bool ends_walk(const DmarcRecord& record);

// The organizational domain of the domain where the walk started (RFC 9989 4.10.2). records: those
// that were found, the longest name first, none behind the one that ended the walk.
std::string_view organizational_domain(std::string_view start,
                                       const std::vector<WalkRecord>& records);

// The record whose policy holds for a domain that has none itself (RFC 9989 4.10.1): that of its
// organizational domain, else that of its public suffix; without a record, there is none.
WalkRecord inherited_record(std::string_view start, const std::vector<WalkRecord>& records);

}  // namespace postwain::authentication
