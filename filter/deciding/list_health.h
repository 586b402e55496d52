// Whether a DNS list is asked and believed: it is tested at the start and each hour, and one that
// lists everything or nothing is off until it passes. A list that refuses to serve us, or that
// says nonsense, is left alone for a while. Pure; the time is handed in.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "filter/deciding/list_answer.h"

namespace postwain::filter {

constexpr Duration kListTestEvery = std::chrono::hours(1);
constexpr Duration kListTestAgain = std::chrono::minutes(1);  // no answer, or off
constexpr Duration kListPause = std::chrono::minutes(15);     // refused, or broken

class ListHealth {
 public:
  using State = ipc::ListStanding;

  // Whether it is of use to ask it now.
  bool is_asked(MonoTime now) const;
  // Whether what it says counts.
  bool is_believed() const { return state_ == State::good; }
  // Whether it is undecided and a test is to end soon.
  bool is_awaited() const { return state_ == State::untested; }
  bool wants_test(MonoTime now) const { return !testing_ && now >= test_at_; }
  MonoTime test_at() const { return test_at_; }
  bool is_being_tested() const { return testing_; }

  void test_begins() { testing_ = true; }
  // Of the questions of a ListTest. Each of these tells whether the state is another one now.
  bool tested(const std::vector<ListVerdict>& listed, const std::vector<ListVerdict>& not_listed,
              MonoTime now);
  // An answer about a client.
  bool saw(ListVerdict verdict, MonoTime now);
  // It has not answered again and again: nobody waits for it until a test is answered.
  bool rests(MonoTime now) { return set(State::silent, now, kListTestAgain); }

  State state() const { return state_; }

 private:
  bool set(State state, MonoTime now, Duration next_test);

  State state_ = State::untested;
  bool testing_ = false;
  MonoTime test_at_{};
};
}  // namespace postwain::filter
