#include "common/smtp/client/word_gate.h"

namespace postwain::smtp {

Gate gate(const GatePage& page, BootTime now) {
  if (page.fenced) return Gate::fenced;
  if (!page.word) return Gate::open;
  bool good = page.word->sent <= now && now - page.word->sent < page.word->good;
  return good ? Gate::open : Gate::shut;
}

EndDecision decide_end(const GatePage& page, const EndOfData& end, BootTime now) {
  Gate state = gate(page, now);
  if (state == Gate::fenced) return EndDecision::stop;
  bool asked = !end.ask || !page.word || page.word->sent >= end.ready;
  if (state == Gate::open && asked) return EndDecision::leave;
  return now - end.ready < kGatePatience ? EndDecision::wait : EndDecision::give_up;
}

}  // namespace postwain::smtp
