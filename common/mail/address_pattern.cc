#include "common/mail/address_pattern.h"

#include "common/base/text.h"

namespace postwain::mail {

std::string canonical_pattern(std::string_view written) {
  std::size_t at = written.rfind('@');
  if (at != std::string_view::npos)
    return to_lower(written.substr(0, at)) + '@' + domain_key(written.substr(at + 1));
  bool below = written.size() > 1 && written.front() == '.';
  if (below) return '.' + domain_key(written.substr(1));
  return domain_key(written);
}

bool matches_domain(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") return true;
  if (pattern.empty() || pattern.front() != '.') return pattern == domain;
  return domain.size() > pattern.size() && domain.substr(domain.size() - pattern.size()) == pattern;
}

bool matches_address(std::string_view pattern, const Address& address) {
  if (pattern == "*") return true;
  if (address.is_null()) return pattern == "<>";
  std::string domain = address.domain_key();
  std::size_t at = pattern.rfind('@');
  if (at == std::string_view::npos) return matches_domain(pattern, domain);
  return pattern.substr(at + 1) == domain &&
         pattern.substr(0, at) == to_lower(address.local_unquoted());
}

}  // namespace postwain::mail
