// A transaction in several: what a server takes no more of in this one goes in the next.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/smtp/client/client_engine.h"

namespace postwain::smtp {

// Whether the next recipient is one too many for what the server said of itself (RFC 9422).
bool ClientEngine::exceeds_limits(Active& a) const {
  if (peer_.rcpt_max > 0 && a.asked >= peer_.rcpt_max) return true;
  if (peer_.rcpt_domain_max == 0) return false;
  std::string domain = a.transaction.recipients[a.next_rcpt]->address.domain_key();
  if (std::find(a.domains.begin(), a.domains.end(), domain) != a.domains.end()) return false;
  if (a.domains.size() >= peer_.rcpt_domain_max) return true;
  a.domains.push_back(std::move(domain));
  return false;
}

bool ClientEngine::is_postponed(const Active& a, std::size_t recipient) {
  return std::find(a.postponed.begin(), a.postponed.end(), recipient) != a.postponed.end();
}

// The front transaction is over but for those postponed. It goes behind the one whose envelope may
// be on its way already. Each round settles somebody, so there is an end.
void ClientEngine::take_again() {
  PW_CHECK(active_.front().ledger.open() == active_.front().postponed.size());
  restart_front();
}

// Everybody of it who has no outcome is asked for once more.
void ClientEngine::restart_front() {
  bool reset = next_is_sent();
  Active a = std::move(active_.front());
  active_.pop_front();
  bool left_open = a.chunked || a.mail_accepted;
  if (left_open && !a.clean_end && !reset) needs_rset_ = true;
  a.without = a.without_next;
  a.ask_again = a.xforward_made = false;
  a.chunk = 0;
  a.accepted.clear();
  a.postponed.clear();
  a.domains.clear();
  a.answered = a.next_rcpt = a.asked = 0;
  a.step = Step::mail;
  a.mail_accepted = a.clean_end = false;
  active_.push_back(std::move(a));
  end_if_stopped();
}

}  // namespace postwain::smtp
