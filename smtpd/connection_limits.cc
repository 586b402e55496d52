#include "smtpd/connection_limits.h"

#include "common/base/check.h"

namespace postwain::smtpd {

ConnectionLimits::Verdict ConnectionLimits::admit(const std::string& key) {
  if (open_ >= total_max_) return Verdict::too_many;
  if (!key.empty()) {
    auto found = per_client_.find(key);
    if (found != per_client_.end() && found->second >= per_client_max_)
      return Verdict::too_many_from_client;
    if (per_client_max_ == 0) return Verdict::too_many_from_client;
    ++per_client_[key];
  }
  ++open_;
  return Verdict::admitted;
}

void ConnectionLimits::release(const std::string& key) {
  PW_CHECK(open_ > 0);
  --open_;
  if (key.empty()) return;
  auto found = per_client_.find(key);
  PW_CHECK(found != per_client_.end());
  if (--found->second == 0) per_client_.erase(found);
}

}  // namespace postwain::smtpd
