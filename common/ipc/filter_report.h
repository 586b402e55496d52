// What the process `filter` tells qmgr of its filters and of the DNS lists it asks, for the metrics
// and for `postwain status`: how each one is now, and what has been counted since the report
// before. Lost reports are lost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/authentication_counts.h"
#include "common/ipc/filter_messages.h"
#include "common/ipc/list_state.h"
#include "common/ipc/messages.h"

namespace postwain::ipc {

constexpr std::size_t kReportedFiltersMax = 40;  // config::kFiltersMax, and checks of our own
constexpr std::size_t kReportedNameMax = 32;     // octets

// How a filter's last word of a message, or of a command, is counted.
enum class FilterWord : std::uint8_t { accept, refuse, defer, discard, hang_up, hold };
constexpr std::size_t kFilterWords = 6;
std::string_view name_of(FilterWord word);
FilterWord word_of(const FilterJudgement& judgement);

constexpr std::size_t kFilterFailures = static_cast<std::size_t>(FilterFailure::own) + 1;
constexpr std::size_t kFilterStages = static_cast<std::size_t>(FilterStage::end_of_message) + 1;

// Upper ends of what the waits for a filter are counted by, in seconds; the last place counts what
// was longer.
constexpr std::array<double, 12> kFilterSeconds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                   0.25,  0.5,   1,    5,     30,   120};
using FilterWaits = std::array<std::uint32_t, kFilterSeconds.size() + 1>;

enum class FilterBreaker : std::uint8_t { closed, open, trying };
constexpr FilterBreaker last_of(FilterBreaker) {
  return FilterBreaker::trying;
}
std::string_view name_of(FilterBreaker state);

struct FilterStageCounts {
  FilterStage stage = FilterStage::end_of_message;
  std::array<std::uint32_t, kFilterWords> words{};
  FilterWaits waits{};
  std::uint64_t milliseconds = 0;  // of all of them
};

// Since the last report.
struct FilterCounts {
  std::array<std::uint32_t, kFilterFailures> failures{};  // by FilterFailure
  std::vector<FilterStageCounts> stages{};                // those of which there is something
  bool is_empty() const;
  // Of a judgement of a filter that failed the wait alone.
  void add(const FilterJudgement& judgement);
};

struct FilterState {
  std::string name;
  bool watch = false;
  FilterBreaker breaker = FilterBreaker::closed;
  std::int64_t breaker_since = 0;  // Unix time in ms; 0: it has been closed from the start
  FilterFailure last_failure = FilterFailure::none;
  std::int64_t last_failure_at = 0;
  std::string last_failure_text;  // at most kFilterJudgementTextMax octets
  FilterCounts counts{};
};

struct FilterReport {
  static constexpr FrameType kType = FrameType::filter_report;
  std::vector<FilterState> filters;  // all, in the order of the configuration
  std::vector<ListState> lists{};    // the same
  AuthenticationCounts authentication{};
};

}  // namespace postwain::ipc
