#include "qmgr/shared/metrics.h"

#include <algorithm>

namespace postwain::qmgr {

namespace {

TlsSeen seen(std::string_view tls) {
  if (tls.empty()) return TlsSeen::none;
  if (tls.substr(0, 7) == "TLSv1.3") return TlsSeen::tls13;
  return tls.substr(0, 7) == "TLSv1.2" ? TlsSeen::tls12 : TlsSeen::other;
}

}  // namespace

void Histogram::observe(std::chrono::microseconds value) {
  double seconds = std::max(0.0, static_cast<double>(value.count()) / 1e6);
  ++count_;
  sum_ += seconds;
  for (std::size_t i = bounds_.size(); i > 0 && seconds <= bounds_[i - 1]; --i) ++counts_[i - 1];
}

std::string_view name_of(TlsSeen tls) {
  constexpr std::string_view kNames[] = {"none", "TLSv1.2", "TLSv1.3", "other"};
  return kNames[static_cast<std::size_t>(tls)];
}

Metrics::Metrics()
    : accept({0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}),
      wait({0.01, 0.1, 1, 10, 60, 300, 900, 3600, 14400, 86400}),
      attempt({0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}),
      commit({0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5}),
      stage(mail::kStages, Histogram({0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300})) {}

void Metrics::stages(const mail::StageTimes& times) {
  for (std::size_t i = 0; i < mail::kStages; ++i)
    if (std::uint32_t us = times.raw()[i]; us != 0) stage[i].observe(std::chrono::microseconds(us));
}

void Metrics::accepted(std::size_t count, std::chrono::microseconds took) {
  ++messages;
  recipients += count;
  accept.observe(took);
}

void Metrics::outcome(Pool pool, const mail::Outcome& outcome, bool first, Duration waited,
                      Duration took) {
  ++outcomes[static_cast<std::size_t>(pool)][static_cast<std::size_t>(outcome.disposition)];
  int digit = outcome.reply.code / 100;
  ++replies[digit >= 2 && digit <= 5 ? static_cast<std::size_t>(digit) : 0];
  if (outcome.disposition == mail::Disposition::delivered)
    ++tls[static_cast<std::size_t>(seen(outcome.tls))];
  if (outcome.in_doubt) ++in_doubt;
  if (first) wait.observe(waited);
  attempt.observe(took);
}

}  // namespace postwain::qmgr
