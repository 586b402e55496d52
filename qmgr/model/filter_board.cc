#include "qmgr/model/filter_board.h"

#include <algorithm>
#include <utility>

#include "common/config/config.h"

namespace postwain::qmgr {

namespace {

void add(FilterSums& sums, const ipc::FilterCounts& counts) {
  for (std::size_t i = 0; i < counts.failures.size(); ++i) sums.failures[i] += counts.failures[i];
  for (const ipc::FilterStageCounts& one : counts.stages) {
    FilterStageSums& stage = sums.stages[one.stage];
    for (std::size_t i = 0; i < one.words.size(); ++i) stage.words[i] += one.words[i];
    for (std::size_t i = 0; i < one.waits.size(); ++i) stage.waits[i] += one.waits[i];
    stage.milliseconds += one.milliseconds;
  }
}

}  // namespace

std::uint64_t FilterSums::words(ipc::FilterWord word) const {
  std::uint64_t sum = 0;
  for (const auto& [stage, sums] : stages) sum += sums.words[static_cast<std::size_t>(word)];
  return sum;
}

void FilterBoard::configure(const config::Config& config) {
  std::vector<KnownFilter> before = std::exchange(filters_, {});
  auto add = [&](std::string_view name, config::FilterMode mode) {
    auto same = std::find_if(before.begin(), before.end(),
                             [&](const KnownFilter& one) { return one.state.name == name; });
    KnownFilter& now = filters_.emplace_back(same == before.end() ? KnownFilter{} : *same);
    now.state.name = name;
    now.state.watch = mode == config::FilterMode::watch;
    now.sums.stages[ipc::FilterStage::end_of_message];  // counters begin at 0
  };
  if (config.strangers.wanted) add(config::kStrangersName, config.strangers.mode);
  if (config.authentication.wanted) add(config::kAuthenticationName, config.authentication.mode);
  for (const config::Filter& filter : config.filters) add(filter.name, filter.mode);
  if (!config.content_rules.empty()) add(config::kContentRulesName, config::FilterMode::enforce);
  authenticates_ = config.authentication.wanted;
  configure_lists(config);
}

void FilterBoard::configure_lists(const config::Config& config) {
  std::vector<KnownList> before = std::exchange(lists_, {});
  for (const config::DnsList& list : config.strangers.lists) {
    std::string label = list.label.substr(0, ipc::kListLabelMax);
    auto same = std::find_if(before.begin(), before.end(),
                             [&](const KnownList& one) { return one.state.label == label; });
    lists_.push_back(same == before.end() ? KnownList{} : *same);
    lists_.back().state.label = std::move(label);
  }
}

bool FilterBoard::take_frame(ipc::FrameType type, std::string_view payload, bool is_newest) {
  ipc::FilterReport report;
  if (type != ipc::FrameType::filter_report || !ipc::decode(payload, report)) return false;
  take(report, is_newest);
  return true;
}

void FilterBoard::take(const ipc::FilterReport& report, bool is_newest) {
  authentication_.add(report.authentication);
  for (const ipc::FilterState& told : report.filters) {
    auto known = std::find_if(filters_.begin(), filters_.end(),
                              [&](const KnownFilter& one) { return one.state.name == told.name; });
    if (known == filters_.end()) continue;
    add(known->sums, told.counts);
    if (!is_newest) continue;
    known->state = told;
    known->state.counts = {};
    known->reported = true;
  }
  for (const ipc::ListState& told : report.lists) {
    auto known = std::find_if(lists_.begin(), lists_.end(),
                              [&](const KnownList& one) { return one.state.label == told.label; });
    if (known == lists_.end()) continue;
    for (std::size_t i = 0; i < told.answers.size(); ++i) known->answers[i] += told.answers[i];
    if (!is_newest) continue;
    known->state = told;
    known->state.answers = {};
    known->reported = true;
  }
}

}  // namespace postwain::qmgr
