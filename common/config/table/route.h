// [[route]]: which next hop a recipient goes to, and how.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/table/network.h"
#include "common/config/table/origin.h"
#include "common/mail/next_hop.h"
#include "common/mail/transport.h"

namespace postwain::config {

struct Route {
  std::vector<std::string> match;  // lower case domain, ".domain", "user@domain", "*"
  mail::NextHop deliver;
  std::optional<mail::TlsLevel> tls;  // absent: may for smtp and mx, off for lmtp
  std::vector<std::string> senders;   // patterns of the reverse-path; empty: any sender
  std::vector<Network> clients;       // whom the mail came from; empty: anybody
  mail::Credential credential;
  mail::ClientCertificate certificate;
  mail::Family family = mail::Family::any;
  mail::AbilitySet avoid;
  mail::FieldChanges fields;  // add_headers, remove_headers
  bool xforward = false;      // to hosts that `deliver` names
  bool sign = true;           // with [[dkim_key]], as it leaves by SMTP; never by LMTP
  std::optional<mail::NextHop> fallback;
  mail::TlsLevel fallback_tls = mail::TlsLevel::may;
  bool hold_in_doubt = false;     // in_doubt = "hold"
  std::uint32_t drain_count = 0;  // messages per drain_period after an outage; 0: no limit
  Duration drain_period{};
  bool mailbox_schedule = false;  // retry = "store", default for lmtp
  mail::Bounds bounds;            // without the number of the route
  std::uint32_t recipients = 0;   // of one transaction; 0: default
  std::uint32_t rate_count = 0;   // messages per rate_period; 0: no limit
  Duration rate_period{};
  std::vector<std::string> sources;
  Origin origin;
};

}  // namespace postwain::config
