// Under which sender mail goes on when an address of ours leads elsewhere ([srs],
// common/rewrite/srs.h): strangers' mail that leaves under a rewritten one, all other mail as it
// is. Pure.
#pragma once

#include <optional>
#include <string>

#include "common/base/time.h"
#include "common/config/config_fwd.h"
#include "common/mail/address.h"
#include "common/rewrite/own_domains.h"
#include "common/rewrite/srs.h"

#include "qmgr/routing/router.h"

namespace postwain::qmgr {

// How a sender is written for recipients for whom the mail leaves.
struct ForwardedSender {
  rewrite::SrsNeed need = rewrite::SrsNeed::no_sender;
  rewrite::SrsProblem problem = rewrite::SrsProblem::none;  // he should be rewritten, and cannot
  mail::Address address{};                                  // rewritten; null: he stays
};

class Forwarding {
 public:
  // The router must outlive it.
  Forwarding(const config::Config& config, const Router& router);

  bool is_on() const { return srs_.has_value(); }
  // Only where it is on. The sender's domain alone decides, whoever has submitted the mail: it is
  // its SPF record that names our hosts, or does not.
  ForwardedSender sender(const mail::Address& sender, WallTime now) const;
  // Whether mail for the target leaves for hosts that are not ours: its domain is none of ours, and
  // no mail store takes it by LMTP. sender, client: as Router::route() has them.
  bool leaves(const mail::Address& target, const mail::Address& sender,
              const std::string& client) const;

 private:
  const Router& router_;
  rewrite::OwnDomains own_;
  std::optional<rewrite::Srs> srs_;
};

// At one moment; null: no sender is rewritten.
struct ForwardingNow {
  const Forwarding* forwarding = nullptr;
  WallTime now{};
};

}  // namespace postwain::qmgr
