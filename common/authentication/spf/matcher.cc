#include "common/authentication/spf/matcher.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace postwain::authentication::spf {

namespace {

constexpr std::string_view kUnknown = "unknown";

// The name is the domain, or below it.
bool is_under(std::string_view name, std::string_view domain) {
  if (!name.ends_with(domain)) return false;
  return name.size() == domain.size() || name[name.size() - domain.size() - 1] == '.';
}

std::string best_name(const std::vector<std::string>& names, std::string_view domain) {
  if (std::find(names.begin(), names.end(), domain) != names.end()) return std::string(domain);
  auto below = std::find_if(names.begin(), names.end(),
                            [&](const std::string& name) { return is_under(name, domain); });
  if (below != names.end()) return *below;
  return names.empty() ? std::string(kUnknown) : names.front();
}

}  // namespace

Match Matcher::match(const Directive& directive, std::string_view target) {
  was_void_ = false;
  switch (directive.mechanism) {
    case Mechanism::all:
      return Match::yes;
    case Mechanism::ip4:
    case Mechanism::ip6: {
      unsigned bits = client_.is_ipv6() ? directive.ipv6_bits : directive.ipv4_bits;
      return client_.is_within(directive.network, bits) ? Match::yes : Match::no;
    }
    default:
      break;
  }
  if (!is_lookup_name(target)) return Match::no;
  switch (directive.mechanism) {
    case Mechanism::a:
      return match_name(target, directive);
    case Mechanism::mx:
      return match_mail_hosts(target, directive);
    case Mechanism::ptr:
      return match_pointers(target);
    case Mechanism::exists:
      return match_exists(target);
    default:
      return Match::no;
  }
}

Match Matcher::match_addresses(std::string_view name, const Directive& directive) {
  const Known* known = lookups_.find(family(), name);
  if (known == nullptr) return Match::waiting;
  if (known->is_temporary()) return Match::temporary;
  unsigned bits = client_.is_ipv6() ? directive.ipv6_bits : directive.ipv4_bits;
  bool found =
      std::any_of(known->addresses.begin(), known->addresses.end(),
                  [&](const IpAddress& address) { return client_.is_within(address, bits); });
  return found ? Match::yes : Match::no;
}

Match Matcher::match_name(std::string_view name, const Directive& directive) {
  Match match = match_addresses(name, directive);
  if (match != Match::no) return match;
  was_void_ = lookups_.find(family(), name)->is_void();
  return match;
}

// All hosts are asked for at once. One that matches is enough, whatever comes of the others.
Match Matcher::match_mail_hosts(std::string_view name, const Directive& directive) {
  const Known* known = lookups_.find(Ask::mx, name);
  if (known == nullptr) return Match::waiting;
  if (known->is_temporary()) return Match::temporary;
  if (known->named > kMailHostsMax) return Match::too_many;
  bool nothing = known->is_void();
  std::vector<std::string> hosts = known->names;  // asking moves what is known
  Match together = Match::no;
  std::size_t void_hosts = 0;
  for (const std::string& host : hosts) {
    Match one = match_addresses(host, directive);
    if (one == Match::yes) return one;
    if (one == Match::waiting || (one == Match::temporary && together == Match::no)) together = one;
    if (one == Match::no && lookups_.find(family(), host)->is_void()) ++void_hosts;
  }
  was_void_ = nothing || (!hosts.empty() && void_hosts == hosts.size());
  return together;
}

Match Matcher::match_exists(std::string_view name) {
  const Known* known = lookups_.find(Ask::ipv4, name);
  if (known == nullptr) return Match::waiting;
  if (known->is_temporary()) return Match::temporary;
  was_void_ = known->is_void();
  return known->addresses.empty() ? Match::no : Match::yes;
}

// Failures of the DNS are no match here (5.5). Names outside of the target need no confirmation.
Match Matcher::match_pointers(std::string_view target) {
  const Known* known = lookups_.find(Ask::names, client_.text());
  if (known == nullptr) return Match::waiting;
  was_void_ = known->is_void();
  std::vector<std::string> names = known->names;
  Match together = Match::no;
  for (const std::string& name : names) {
    if (!is_under(name, target)) continue;
    Match one = match_addresses(name, Directive());
    if (one == Match::yes) return one;
    if (one == Match::waiting) together = one;
  }
  return together;
}

std::optional<std::string> Matcher::validated_name(std::string_view domain) {
  const Known* known = lookups_.find(Ask::names, client_.text());
  if (known == nullptr) return std::nullopt;
  std::vector<std::string> names = known->names;
  std::vector<std::string> confirmed;
  bool waiting = false;
  for (std::string& name : names) {
    Match one = match_addresses(name, Directive());
    waiting = waiting || one == Match::waiting;
    if (one == Match::yes) confirmed.push_back(std::move(name));
  }
  if (waiting) return std::nullopt;
  return best_name(confirmed, domain);
}

}  // namespace postwain::authentication::spf
