#include "smtpd/acceptance/to_sign.h"

namespace postwain::smtpd {

ToSign to_sign(const Client& client, const Client* behind, config::ListenerSign listener) {
  if (listener == config::ListenerSign::none || !client.may_relay()) return ToSign::no;
  if (behind != nullptr) return behind->trusted ? ToSign::yes : ToSign::no;
  // Who has logged in answers for what he sends, also where he sends on what had come to him.
  if (listener == config::ListenerSign::all || !client.account.empty()) return ToSign::yes;
  return ToSign::unless_here_before;
}

}  // namespace postwain::smtpd
