#include "filter/outside_filter.h"

#include <utility>

#include "common/log/log.h"

namespace postwain::filter {

namespace {

using ipc::FilterStage;

constexpr std::uint32_t kResult = bit_of(FilterStage::end_of_message);

constexpr std::pair<milter::Stage, FilterStage> kCommands[] = {
    {milter::Stage::connect, FilterStage::connect}, {milter::Stage::helo, FilterStage::helo},
    {milter::Stage::mail, FilterStage::mail},       {milter::Stage::rcpt, FilterStage::rcpt},
    {milter::Stage::data, FilterStage::data},       {milter::Stage::unknown, FilterStage::unknown},
};

}  // namespace

OutsideFilter::OutsideFilter(config::Filter settings)
    : settings_(std::move(settings)), awaited_(watched() ? kResult : ipc::kAllFilterStages) {}

void OutsideFilter::log_breaker() const {
  bool opens = breaker_.state() == Breaker::State::open;
  log::Line line(opens ? log::Level::warning : log::Level::info, "filter_breaker");
  line.kv("filter", settings_.name).kv("state", name_of(breaker_.state()));
  if (opens) line.kv("seconds", breaker_.pause().count() / 1000);
}

void OutsideFilter::succeeded() {
  if (breaker_.succeeded()) log_breaker();
}

void OutsideFilter::failed(MonoTime now, Breaker::Leave leave) {
  if (breaker_.failed(now, leave)) log_breaker();
}

// Nobody waits for what a watched filter says.
bool OutsideFilter::learn(const milter::Agreement& agreement) {
  std::uint32_t awaited = kResult;
  if (!watched())
    for (const auto& [stage, command] : kCommands)
      if (agreement.answers(stage)) awaited |= bit_of(command);
  bool body = agreement.wants(milter::Stage::body);
  bool changed = awaited != awaited_ || body != wants_body_;
  awaited_ = awaited;
  wants_body_ = body;
  return changed;
}

}  // namespace postwain::filter
