#include "filter/deciding/list_health.h"

#include <algorithm>
#include <utility>

namespace postwain::filter {

namespace {

bool has(const std::vector<ListVerdict>& verdicts, ListVerdict verdict) {
  return std::find(verdicts.begin(), verdicts.end(), verdict) != verdicts.end();
}

bool has_entry(const std::vector<ListVerdict>& verdicts) {
  return has(verdicts, ListVerdict::listed) || has(verdicts, ListVerdict::other);
}

}  // namespace

bool ListHealth::is_asked(MonoTime) const {
  return state_ == State::untested || state_ == State::good;
}

bool ListHealth::set(State state, MonoTime now, Duration next_test) {
  test_at_ = now + next_test;
  return std::exchange(state_, state) != state;
}

bool ListHealth::tested(const std::vector<ListVerdict>& listed,
                        const std::vector<ListVerdict>& not_listed, MonoTime now) {
  testing_ = false;
  for (const auto& verdicts : {listed, not_listed}) {
    if (has(verdicts, ListVerdict::refused)) return set(State::refused, now, kListPause);
    if (has(verdicts, ListVerdict::broken)) return set(State::broken, now, kListPause);
  }
  if (has_entry(not_listed)) return set(State::lists_all, now, kListTestAgain);
  bool silent = has(not_listed, ListVerdict::silent) ||
                (!has_entry(listed) && has(listed, ListVerdict::silent));
  // One lost answer says nothing about a list that was good.
  if (silent) return set(state_ == State::untested ? State::silent : state_, now, kListTestAgain);
  if (!listed.empty() && !has_entry(listed)) return set(State::lists_none, now, kListTestAgain);
  return set(State::good, now, kListTestEvery);
}

bool ListHealth::saw(ListVerdict verdict, MonoTime now) {
  if (verdict == ListVerdict::refused) return set(State::refused, now, kListPause);
  if (verdict == ListVerdict::broken) return set(State::broken, now, kListPause);
  return false;
}

}  // namespace postwain::filter
