// Where a message comes from, told in front of its MAIL (xforward.h).
#include <utility>

#include "common/smtp/client/client_engine.h"

namespace postwain::smtp {

// True: MAIL may follow, as soon as nothing is awaited.
bool ClientEngine::introduce(Active& a, std::string& out) {
  if (!std::exchange(a.introduced, true) && a.transaction.origin && !a.transaction.probe) {
    a.introduction = xforward_commands(*a.transaction.origin, peer_.xforward);
    a.told = 0;
  }
  while (a.told < a.introduction.size()) {
    if (must_wait()) return false;
    out += a.introduction[a.told++];
    expected_.push_back({Command::xforward, 0, !expected_.empty()});
  }
  return true;
}

// Whoever offers it and refuses it does not get the mail any later for that.
void ClientEngine::introduction_reply(ReplyClass what) {
  if (what == ReplyClass::positive) return;
  peer_.xforward = {};
  for (Active& a : active_) a.introduction.resize(a.told);
}

}  // namespace postwain::smtp
