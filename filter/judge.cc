#include "filter/judge.h"

#include <utility>

#include "common/base/text.h"
#include "common/log/log.h"
#include "filter/deciding/filter_rules.h"

namespace postwain::filter {

namespace {

ipc::FilterBreaker reported(Breaker::State state) {
  switch (state) {
    case Breaker::State::closed:
      return ipc::FilterBreaker::closed;
    case Breaker::State::open:
      return ipc::FilterBreaker::open;
    case Breaker::State::trying:
      break;
  }
  return ipc::FilterBreaker::trying;
}

}  // namespace

Judge::Judge(JudgeTerms terms) : terms_(std::move(terms)) {
  state_.name = name().substr(0, ipc::kReportedNameMax);
  state_.watch = watched();
}

bool Judge::is_on(std::string_view listener, ipc::FilterKind kind) const {
  return names_place(terms_.on, listener, kind);
}

// A trial that failed changes nothing of since when the filter is not asked.
void Judge::breaker_changed() {
  bool opens = breaker_.state() == Breaker::State::open;
  if (!opens || state_.breaker == ipc::FilterBreaker::closed)
    state_.breaker_since = to_unix_ms(wall_now());
  state_.breaker = reported(breaker_.state());
  changed_ = true;
  log::Line line(opens ? log::Level::warning : log::Level::info, "filter_breaker");
  line.kv("filter", name()).kv("state", name_of(breaker_.state()));
  if (opens) line.kv("seconds", breaker_.pause().count() / 1000);
}

void Judge::succeeded() {
  if (breaker_.succeeded()) breaker_changed();
}

void Judge::failed(MonoTime now, Breaker::Leave leave) {
  if (breaker_.failed(now, leave)) breaker_changed();
}

void Judge::count(const ipc::FilterJudgement& judgement) {
  state_.counts.add(judgement);
}

void Judge::note_failure(ipc::FilterFailure failure, std::string_view why) {
  ++state_.counts.failures[static_cast<std::size_t>(failure)];
  // That it was not asked says nothing new of it.
  if (failure == ipc::FilterFailure::breaker) return;
  state_.last_failure = failure;
  state_.last_failure_at = to_unix_ms(wall_now());
  state_.last_failure_text = printable(why, ipc::kFilterJudgementTextMax);
  changed_ = true;
}

void Judge::report_to(ipc::FilterReport& out) {
  if (out.filters.size() < ipc::kReportedFiltersMax) out.filters.push_back(report());
}

ipc::FilterState Judge::report() {
  state_.breaker = reported(breaker_.state());
  ipc::FilterState out = state_;
  state_.counts = {};
  changed_ = false;
  return out;
}

}  // namespace postwain::filter
