#include "qmgr/cluster/word_gate.h"

namespace postwain::qmgr::cluster {

Gate gate(const GatePage& page, BootTime now, Duration word_good) {
  if (page.fenced) return Gate::fenced;
  if (!page.word) return Gate::open;
  bool good = page.word->sent <= now && now - page.word->sent < word_good;
  return good ? Gate::open : Gate::shut;
}

EndDecision decide_end(const GatePage& page, const EndOfData& end, BootTime now,
                       Duration word_good) {
  Gate state = gate(page, now, word_good);
  if (state == Gate::fenced) return EndDecision::stop;
  bool asked = !end.ask || !page.word || page.word->sent >= end.ready;
  if (state == Gate::open && asked) return EndDecision::leave;
  return now - end.ready < kGatePatience ? EndDecision::wait : EndDecision::give_up;
}

}  // namespace postwain::qmgr::cluster
