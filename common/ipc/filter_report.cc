#include "common/ipc/filter_report.h"

#include <algorithm>

#include "common/ipc/coding.h"

namespace postwain::ipc {

namespace {

template <class A, class Numbers>
void numbers_field(A& a, Numbers& numbers) {
  for (auto& number : numbers) field(a, number);
}

}  // namespace

PW_VISIT(FilterStageCounts) {
  field(a, v.stage);
  numbers_field(a, v.words);
  numbers_field(a, v.waits);
  field(a, v.milliseconds);
}
PW_VISIT(FilterCounts) {
  numbers_field(a, v.failures);
  list_field(a, v.stages);
  if constexpr (A::kDecoding) {
    if (v.stages.size() > kFilterStages) a.fail();
  }
}
PW_VISIT(FilterState) {
  fields(a, v.name, v.watch, v.breaker, v.breaker_since, v.last_failure, v.last_failure_at,
         v.last_failure_text, v.counts);
  if constexpr (A::kDecoding) {
    if (v.name.size() > kReportedNameMax || v.last_failure_text.size() > kFilterJudgementTextMax)
      a.fail();
  }
}
PW_VISIT(ListState) {
  fields(a, v.label, v.standing, v.testing, v.since, v.next_test);
  numbers_field(a, v.answers);
  if constexpr (A::kDecoding) {
    if (v.label.size() > kListLabelMax) a.fail();
  }
}
PW_VISIT(FilterReport) {
  list_field(a, v.filters);
  list_field(a, v.lists);
  for (auto& of_method : v.authentication.results) numbers_field(a, of_method);
  for (auto& of_cause : v.authentication.ends) numbers_field(a, of_cause);
  if constexpr (A::kDecoding) {
    if (v.filters.size() > kReportedFiltersMax || v.lists.size() > kReportedListsMax) a.fail();
  }
}

PW_MESSAGE(FilterReport)

bool FilterCounts::is_empty() const {
  return stages.empty() && std::all_of(failures.begin(), failures.end(),
                                       [](std::uint32_t number) { return number == 0; });
}

void FilterCounts::add(const FilterJudgement& judgement) {
  auto found = std::find_if(stages.begin(), stages.end(), [&](const FilterStageCounts& one) {
    return one.stage == judgement.stage;
  });
  if (found == stages.end())
    found = stages.insert(stages.end(), FilterStageCounts{judgement.stage, {}, {}, 0});
  auto place = std::lower_bound(kFilterSeconds.begin(), kFilterSeconds.end(),
                                static_cast<double>(judgement.milliseconds) / 1000);
  ++found->waits[static_cast<std::size_t>(place - kFilterSeconds.begin())];
  found->milliseconds += judgement.milliseconds;
  if (judgement.failure == FilterFailure::none)
    ++found->words[static_cast<std::size_t>(word_of(judgement))];
}

FilterWord word_of(const FilterJudgement& judgement) {
  switch (judgement.verdict) {
    case FilterVerdict::keep_going:
      return judgement.hold ? FilterWord::hold : FilterWord::accept;
    case FilterVerdict::refuse:
      return FilterWord::refuse;
    case FilterVerdict::defer:
      return FilterWord::defer;
    case FilterVerdict::discard:
      return FilterWord::discard;
    case FilterVerdict::hang_up:
      break;
  }
  return FilterWord::hang_up;
}

std::string_view name_of(FilterWord word) {
  constexpr std::string_view kNames[] = {"accept", "refuse", "defer", "discard", "hang_up", "hold"};
  return kNames[static_cast<std::size_t>(word)];
}

std::string_view name_of(ListVerdict verdict) {
  constexpr std::string_view kNames[] = {"not_listed", "listed", "other",
                                         "refused",    "broken", "silent"};
  return kNames[static_cast<std::size_t>(verdict)];
}

std::string_view name_of(ListStanding standing) {
  constexpr std::string_view kNames[] = {"untested", "good",   "lists_all", "lists_none",
                                         "refused",  "broken", "silent"};
  return kNames[static_cast<std::size_t>(standing)];
}

std::string_view name_of(AuthenticationMethod method) {
  constexpr std::string_view kNames[] = {"spf", "spf_helo", "dkim", "arc", "dmarc", "own_domains"};
  return kNames[static_cast<std::size_t>(method)];
}

std::string_view name_of(AuthenticationCause cause) {
  constexpr std::string_view kNames[] = {"none",  "spf",         "spf_helo",      "dkim",
                                         "dmarc", "own_domains", "forged_results"};
  return kNames[static_cast<std::size_t>(cause)];
}

std::string_view name_of(AuthenticationEnd end) {
  constexpr std::string_view kNames[] = {"accept", "hold", "refuse", "defer"};
  return kNames[static_cast<std::size_t>(end)];
}

std::string_view name_of(FilterBreaker state) {
  constexpr std::string_view kNames[] = {"closed", "open", "trying"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace postwain::ipc
