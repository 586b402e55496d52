// The XFORWARD commands that go in front of the MAIL of a transaction (xforward.h).
#include <utility>

#include "common/smtp/client/client_engine.h"

namespace postwain::smtp {

// Returns false while a reply has to be awaited before the rest of the commands can be sent.
bool ClientEngine::send_xforward(Active& a, std::string& out) {
  if (!std::exchange(a.xforward_made, true) && a.transaction.origin && !a.transaction.probe) {
    a.xforward = xforward_commands(*a.transaction.origin, peer_.xforward);
    a.xforward_sent = 0;
  }
  while (a.xforward_sent < a.xforward.size()) {
    if (must_wait()) return false;
    out += a.xforward[a.xforward_sent++];
    expected_.push_back({Command::xforward, 0, !expected_.empty()});
  }
  return true;
}

// A refusal neither delays nor refuses the mail: no further XFORWARD is sent in this session.
void ClientEngine::xforward_reply(ReplyClass what) {
  if (what == ReplyClass::positive) return;
  peer_.xforward = {};
  for (Active& a : active_) a.xforward.resize(a.xforward_sent);
}

}  // namespace postwain::smtp
