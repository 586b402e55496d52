// The gate before ends of data, as one delivery client has it (common/smtp/client/word_gate.h): the
// last word of qmgr, and who waits until a better one comes. Whoever waits is asked to look again
// at each word, and every kGateStep, since a word that has come may be too old by now, and the
// kernel may have room again.
//
// A process that has never had a word has nothing to look at.
#pragma once

#include <functional>
#include <unordered_set>

#include "common/base/time.h"
#include "common/ipc/messages.h"
#include "common/net/loop.h"
#include "common/smtp/client/word_gate.h"

namespace postwain::agent {

class EndGate {
 public:
  class Waiter {
   public:
    virtual ~Waiter() = default;
    virtual void look_again() = 0;
  };

  // clock: CLOCK_BOOTTIME, or a test's.
  explicit EndGate(net::Loop& loop, std::function<BootTime()> clock = boot_now);

  // False: no word that qmgr would send. What a term that has ended says afterwards is not heard.
  [[nodiscard]] bool take(const ipc::Word& word);
  // Another qmgr, with a term of its own: it is not fenced, and nothing leaves before its word.
  void new_term();

  bool is_used() const { return page_.word.has_value() || page_.fenced; }
  bool is_open() const { return smtp::gate(page_, clock_()) == smtp::Gate::open; }
  bool is_fenced() const { return page_.fenced; }
  BootTime now() const { return clock_(); }
  // Of an end that could have been sent since then.
  smtp::EndDecision decide(BootTime ready) const;

  // Until forget(). One that waits may forget itself, and others, in look_again().
  void wait(Waiter& waiter);
  void forget(Waiter& waiter);

 private:
  void look_again();

  std::function<BootTime()> clock_;
  smtp::GatePage page_;
  std::unordered_set<Waiter*> waiters_;
  net::Timer step_;
};

}  // namespace postwain::agent
