// How many attempts one destination can bear at once, learned from how attempts end: a concurrency
// window and a breaker. Pure; one object per destination.
//
// Window: starts at 5, each success adds 1/window, each failure to reach the destination takes 1.
// Where something else bounds the load (the route says how many connections) a success adds 1: the
// window is only to see that the destination takes mail at all.
// Breaker: opens when as many attempts in a row failed to reach the destination as the window first
// allowed (kCohort); a single message in trouble is no proof and opens nothing. While it holds,
// nothing is sent there; afterwards one attempt is the trial (half-open). A trial that succeeds
// closes the breaker, and the window begins again at 2; one that fails makes the breaker hold
// longer.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/time.h"

namespace postwain::qmgr {

constexpr std::uint32_t kWindowInitial = 5;
constexpr std::uint32_t kWindowMax = 20;  // a route's connections replace it
constexpr std::uint32_t kWindowSlowStart = 2;
constexpr std::uint32_t kCohort = 5;

struct BreakerSteps {
  Duration first;
  Duration last;
};
constexpr BreakerSteps kMailboxSteps{std::chrono::seconds(60), std::chrono::minutes(10)};
constexpr BreakerSteps kInternetSteps{std::chrono::minutes(5), std::chrono::minutes(60)};

// Where several nodes share the breaker: whether this one may make the trial (scheduler_trials.h).
// What was asked or granted ends with the state for which it was.
struct SharedTrial {
  bool asked = false;
  bool granted = false;
  WallTime again{};           // refused: not asked before
  std::uint32_t running = 0;  // attempts that are that trial
};

class DestinationHealth {
 public:
  // cap 0: kWindowMax.
  explicit DestinationHealth(std::uint32_t cap, std::uint32_t initial = kWindowInitial)
      : wanted_initial_(initial), window_(initial) {
    set_cap(cap);
  }

  void set_cap(std::uint32_t cap, bool steep = false);
  // How many attempts may run at once; while the breaker is open: none, and one after the hold.
  std::uint32_t slots(WallTime now) const;

  // Both tell whether the breaker opened, held longer or closed: then it wants to be stored.
  bool succeeded();
  // retry: the route's own schedule; the n-th hold is never longer than its n-th delay, so that a
  // destination that comes back is tried when its recipients expect it. unit: random in [0, 1).
  // spread: there is proof already, one failure more or less does not matter (suspects.h).
  bool failed(WallTime now, const BreakerSteps& steps, const std::vector<Duration>& retry,
              double unit, bool spread = false);
  // An attempt was broken off, and it is not known whose trouble that is: a little less at once.
  void strained();

  // It has been reached once, since we know of it.
  bool is_proven() const { return proven_; }
  bool is_open() const { return opens_ > 0; }
  std::uint32_t opens() const { return opens_; }
  WallTime hold_until() const { return hold_until_; }
  WallTime opened_at() const { return opened_at_; }
  double window() const { return window_; }
  // From the store: at the start, or as another node has left it.
  void restore(std::uint32_t opens, WallTime opened_at, WallTime hold_until);
  void release_hold() { hold_until_ = WallTime{}; }  // an operator wants it tried now
  // Another node's trial has succeeded; whether it is reached from here is not proven by that.
  void close();
  SharedTrial& trial() { return trial_; }
  const SharedTrial& trial() const { return trial_; }
  bool pristine() const { return opens_ == 0 && failures_ == 0 && window_ >= initial_; }

 private:
  void forget_trial() { trial_ = {false, false, {}, trial_.running}; }

  double wanted_initial_;
  double cap_ = kWindowMax;
  double initial_ = kWindowInitial;
  double window_;
  bool steep_ = false;
  std::uint32_t failures_ = 0;  // in a row
  bool proven_ = false;
  std::uint32_t opens_ = 0;  // 0: closed
  WallTime opened_at_{};
  WallTime hold_until_{};
  SharedTrial trial_;
};

}  // namespace postwain::qmgr
