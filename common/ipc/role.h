// Who a process is to qmgr, and which versions of the protocol between our processes it may speak.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/mail/envelope.h"

namespace postwain::ipc {

// Raised by one whenever a message (messages.h, and the headers beside it) changes; a change of the
// envelope's format raises it, too.
constexpr std::uint16_t kProtocolVersion = 15 + mail::kEnvelopeFormat;

enum class Role : std::uint8_t {
  smtpd,
  smtp_client,
  lmtp_client,
  supervisor,
  control,
  sendmail,
  metrics,       // may ask for the metrics, and nothing else
  tokens,        // is asked for tokens, and nothing else
  queue_import,  // puts messages of another queue into this one
  reporter,      // hears of TLS results, and submits reports
  pickup,        // submits what others have left in the drop folder
  filter,        // is given a way to each smtpd, and nothing else
  signer,        // is given a way to each process that needs signatures, and nothing else
};
constexpr Role kRoleLast = Role::signer;
constexpr Role last_of(Role) {
  return kRoleLast;
}
std::string_view name_of(Role role);
// The oldest protocol version a peer of that role may speak: nothing it sends or gets has changed
// since. Commands that are running while Postwain is replaced by a newer one go on with it.
std::uint16_t oldest_version(Role role);

}  // namespace postwain::ipc
