#include "smtpd/acceptance/connection_limits.h"

#include "common/base/check.h"

namespace postwain::smtpd {

bool ConnectionLimits::has_room(const Counts& counts, const std::string& key, std::uint64_t most) {
  if (key.empty()) return true;
  auto found = counts.find(key);
  return (found == counts.end() ? 0 : found->second) < most;
}

void ConnectionLimits::drop(Counts& counts, const std::string& key) {
  if (key.empty()) return;
  auto found = counts.find(key);
  PW_CHECK(found != counts.end());
  if (--found->second == 0) counts.erase(found);
}

ConnectionLimits::Verdict ConnectionLimits::admit(const std::string& key, const std::string& site) {
  if (open_ >= total_max_) return Verdict::too_many;
  std::uint64_t of_site = std::uint64_t{kSiteFactor} * per_client_max_;
  if (!has_room(per_client_, key, per_client_max_) || !has_room(per_site_, site, of_site))
    return Verdict::too_many_from_client;
  if (!key.empty()) ++per_client_[key];
  if (!site.empty()) ++per_site_[site];
  ++open_;
  return Verdict::admitted;
}

void ConnectionLimits::release(const std::string& key, const std::string& site) {
  PW_CHECK(open_ > 0);
  --open_;
  drop(per_client_, key);
  drop(per_site_, site);
}

}  // namespace postwain::smtpd
