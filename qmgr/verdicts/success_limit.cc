#include "qmgr/verdicts/success_limit.h"

#include "common/base/text.h"

namespace postwain::qmgr {

bool is_strangers(const ipc::Arrival& arrival, const config::Access& access) {
  if (!arrival.account.empty() || arrival.protocol == "local") return false;
  // As in smtpd: a program of this machine that came by a Unix socket.
  const std::string& address =
      arrival.client_address.empty() ? std::string("127.0.0.1") : arrival.client_address;
  for (const config::Network& network : access.trusted_networks)
    if (config::contains(network, address)) return false;
  return true;
}

// Letter case is no difference here: a mailbox is the same to most servers.
bool SuccessLimit::pass(const mail::Address& reverse_path, MonoTime now) {
  std::string key = to_lower(reverse_path.local_unquoted()) + '@' + reverse_path.domain_key();
  bool own = known_.counts(key, now);
  RateTable& table = own ? known_ : others_;
  if (!own) key.clear();
  if (!table.has(key, 1, kSuccessReports, now)) return false;
  table.take(key, 1, kSuccessReports, now);
  return true;
}

}  // namespace postwain::qmgr
