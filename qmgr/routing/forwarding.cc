#include "qmgr/routing/forwarding.h"

#include <utility>

#include "common/base/check.h"
#include "common/config/config.h"

namespace postwain::qmgr {

Forwarding::Forwarding(const config::Config& config, const Router& router)
    : router_(router), own_(config) {
  const config::SrsRewriting& srs = config.srs;
  if (srs.is_on()) srs_.emplace(rewrite::SrsSettings{srs.domain, srs.secrets, srs.separator});
}

ForwardedSender Forwarding::sender(const mail::Address& sender, WallTime now) const {
  PW_CHECK(srs_.has_value());
  ForwardedSender out;
  out.need = srs_need(*srs_, sender, {true, own_.take(sender.domain_key())});
  if (out.need != rewrite::SrsNeed::rewrite) return out;
  rewrite::SrsOutcome made = srs_->forward(sender, now);
  out.problem = made.problem;
  out.address = std::move(made.address);
  return out;
}

bool Forwarding::leaves(const mail::Address& target, const mail::Address& sender,
                        const std::string& client) const {
  if (!target.has_domain() || own_.take(target.domain_key())) return false;
  mail::HopKind hop = router_.route(target, sender, client).hop.kind;
  return hop != mail::HopKind::lmtp && hop != mail::HopKind::discard;
}

}  // namespace postwain::qmgr
