#include "common/dns/mx_plan.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/dns/special_address.h"

namespace postwain::dns {

namespace {

using mail::Blame;
using mail::Disposition;
using mail::Outcome;
using mail::Stage;

Outcome refuse(mail::EnhancedCode enhanced, std::string text) {
  return local_outcome(Disposition::failed, Stage::dns, Blame::dns, enhanced, std::move(text));
}

// trouble: whom we asked, and what became of it; may be empty.
Outcome defer(std::string text, const std::string& trouble) {
  if (!trouble.empty()) text += fmt::format(" (DNS server {})", trouble);
  return local_outcome(Disposition::deferred, Stage::dns, Blame::dns, {4, 4, 3}, std::move(text));
}

// The domain says that it takes no mail; 556 is the code RFC 7504 gives to that.
Outcome null_mx(std::string_view domain) {
  Outcome outcome = refuse({5, 1, 10}, fmt::format("556 {} accepts no mail (null MX)", domain));
  return outcome;
}

Outcome loop(std::string_view domain) {
  return refuse({5, 4, 6},
                fmt::format("mail for {} loops back to this host: we are its best MX, but "
                            "not set up to take its mail",
                            domain));
}

// How many of the hosts, from the best on, are better than the first that is ourselves.
std::size_t better_than_us(const MxHosts& hosts, const std::vector<AddressAnswer>& answers,
                           const IsOwn& is_own) {
  std::size_t all = hosts.names.size();
  if (!is_own) return all;
  for (std::size_t i = 0; i < all; ++i) {
    const std::vector<std::string>& addresses = answers[i].addresses;
    if (std::none_of(addresses.begin(), addresses.end(), is_own)) continue;
    std::size_t end = i;
    while (end > 0 && !hosts.preferences.empty() &&
           hosts.preferences[end - 1] == hosts.preferences[i])
      --end;
    return end;
  }
  return all;
}

void shuffle_equals(std::vector<MxRecord>& records, const Random& random) {
  for (std::size_t start = 0; start < records.size();) {
    std::size_t end = start + 1;
    while (end < records.size() && records[end].preference == records[start].preference) ++end;
    for (std::size_t i = end - 1; i > start; --i)
      std::swap(records[i], records[start + random(static_cast<std::uint32_t>(i - start + 1))]);
    start = end;
  }
}

}  // namespace

MxHosts order_mx(std::string_view domain, const MxAnswer& answer, std::string_view own_hostname,
                 const Random& random) {
  MxHosts out;
  out.authentic = answer.authentic;
  switch (answer.status) {
    case AnswerStatus::temporary:
      out.refusal =
          defer(fmt::format("the MX of {} cannot be looked up now", domain), answer.trouble);
      return out;
    case AnswerStatus::no_such_name:
      out.refusal = refuse({5, 1, 2}, fmt::format("the domain {} does not exist", domain));
      return out;
    case AnswerStatus::no_data:
      out.names.push_back(to_lower(domain));
      out.implicit = true;
      return out;
    case AnswerStatus::ok:
      break;
  }
  std::vector<MxRecord> records = answer.records;
  // "." among real hosts is a mistake of the domain's (RFC 7505 3) and means nothing.
  std::erase_if(records, [](const MxRecord& r) { return r.host.empty(); });
  if (records.empty() && !answer.records.empty()) {
    out.refusal = null_mx(domain);
    return out;
  }
  std::stable_sort(records.begin(), records.end(), [](const MxRecord& a, const MxRecord& b) {
    return a.preference < b.preference;
  });
  for (const MxRecord& r : records) {
    if (!iequals(r.host, own_hostname)) continue;
    std::uint16_t own = r.preference;
    std::erase_if(records, [own](const MxRecord& other) { return other.preference >= own; });
    if (records.empty()) out.refusal = loop(domain);
    break;
  }
  shuffle_equals(records, random);
  for (MxRecord& r : records) {
    if (out.names.size() == kMxHostsLooked) break;
    out.names.push_back(std::move(r.host));
    out.preferences.push_back(r.preference);
  }
  return out;
}

MxPlan plan_mx(std::string_view domain, const MxHosts& hosts,
               const std::vector<AddressAnswer>& answers, bool allow_private, const IsOwn& is_own) {
  PW_CHECK(answers.size() == hosts.names.size());
  MxPlan out;
  if (hosts.refusal) {
    out.refusal = hosts.refusal;
    return out;
  }
  std::size_t usable = better_than_us(hosts, answers, is_own);
  if (usable == 0 && !answers.empty()) {
    out.refusal = loop(domain);
    return out;
  }
  bool undecided = false;
  std::string trouble;
  bool refused_private = false;
  for (std::size_t i = 0; i < usable; ++i) {
    MxHost host{hosts.names[i], answers[i].addresses, hosts.authentic && answers[i].authentic,
                answers[i].canonical};
    undecided = undecided || answers[i].status == AnswerStatus::temporary;
    if (trouble.empty()) trouble = answers[i].trouble;
    if (!allow_private)
      refused_private = std::erase_if(host.addresses, is_special_address) > 0 || refused_private;
    if (!host.addresses.empty()) out.hosts.push_back(std::move(host));
  }
  if (!out.hosts.empty()) return out;
  if (undecided)
    out.refusal = defer(fmt::format("no mail host of {} can be looked up now", domain), trouble);
  else if (refused_private)
    out.refusal = refuse({5, 4, 6}, fmt::format("every mail host of {} has a loopback or private "
                                                "address",
                                                domain));
  else if (hosts.implicit)
    out.refusal = refuse({5, 1, 2}, fmt::format("the domain {} has no MX and no address", domain));
  else
    out.refusal = refuse({5, 4, 4}, fmt::format("no mail host of {} has an address", domain));
  return out;
}

std::optional<std::string> literal_address(std::string_view domain) {
  if (domain.size() < 3 || domain.front() != '[' || domain.back() != ']') return std::nullopt;
  std::string inner(domain.substr(1, domain.size() - 2));
  unsigned char bytes[16];
  if (istarts_with(inner, "ipv6:")) {
    inner.erase(0, 5);
    if (inet_pton(AF_INET6, inner.c_str(), bytes) == 1) return inner;
  } else if (inet_pton(AF_INET, inner.c_str(), bytes) == 1) {
    return inner;
  }
  return std::nullopt;
}

std::vector<std::string> arrange_families(const std::vector<std::string>& addresses,
                                          mail::Family family) {
  std::vector<std::string> first;
  std::vector<std::string> second;
  bool v4_first = family == mail::Family::ipv4 || family == mail::Family::ipv4_first;
  for (const std::string& a : addresses)
    ((a.find(':') == std::string::npos) == v4_first ? first : second).push_back(a);
  if (family == mail::Family::ipv4 || family == mail::Family::ipv6) return first;
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(std::move(first[i]));
    if (i < second.size()) out.push_back(std::move(second[i]));
  }
  return out;
}

}  // namespace postwain::dns
