#include "common/authentication/dmarc/domain_name.h"

#include <utility>

#include "common/base/text.h"
#include "common/dns/answer.h"
#include "common/mail/address.h"

namespace postwain::authentication {

namespace {
constexpr std::size_t kCanonicalOctetsMax = 1024;  // before U-labels have become A-labels
constexpr std::size_t kCanonicalLabelMax = 63;
}  // namespace

std::optional<std::string> canonical_domain(std::string_view domain) {
  if (domain.size() > kCanonicalOctetsMax || !is_valid_utf8(domain)) return std::nullopt;
  std::string key = mail::domain_key(domain);
  if (!dns::is_host_name(key)) return std::nullopt;
  for (std::string_view label : split(key, '.'))
    if (label.empty() || label.size() > kCanonicalLabelMax) return std::nullopt;
  return key;
}

bool is_same_or_below(std::string_view domain, std::string_view above) {
  if (domain.size() <= above.size()) return domain == above;
  std::size_t at = domain.size() - above.size();
  return domain[at - 1] == '.' && domain.substr(at) == above;
}

}  // namespace postwain::authentication
