// Whether a message that comes in is ours to sign when it leaves (mail::Envelope::sign). A
// stranger's never is, in whatever name he writes, and also not where a content filter gives it
// back from an address that is trusted. Pure.
#pragma once

#include <cstdint>

#include "common/config/table/listener.h"
#include "smtpd/acceptance/policy.h"

namespace postwain::smtpd {

enum class ToSign : std::uint8_t {
  no,
  unless_here_before,  // not if its header section has a Received field of this host
  yes,
};

// behind: the client that XFORWARD names, as Policy::classify() sees it; null where none is named.
// Who gives a stranger's mail back and says so is not asked for it again.
ToSign to_sign(const Client& client, const Client* behind, config::ListenerSign listener);

}  // namespace postwain::smtpd
