#include "postwain/explain/simulate_command.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/config/document/values.h"
#include "common/config/load/client_settings.h"
#include "simulator/simulation.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kRowsShown = 20;
constexpr std::size_t kHoursShown = 48;

bool is_quiet(const simulator::Hour& h) {
  return h.arrived + h.attempts + h.delivered + h.deferred + h.bounced + h.warned == 0;
}

// Troubled ones first, then those with the most attempts.
std::vector<const simulator::DestinationResult*> ordered(const simulator::Report& report) {
  std::vector<const simulator::DestinationResult*> all;
  for (const auto& d : report.destinations) all.push_back(&d);
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
    return std::pair(a->held, a->attempts) > std::pair(b->held, b->attempts);
  });
  return all;
}

std::string hours_table(const simulator::Report& report) {
  std::string out =
      fmt::format("{:>5} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9}\n", "hour", "arrived",
                  "attempts", "delivered", "deferred", "bounced", "warned", "waiting");
  std::size_t shown = 0;
  for (std::size_t i = 0; i < report.hours.size(); ++i) {
    const simulator::Hour& h = report.hours[i];
    if (is_quiet(h)) continue;
    if (shown++ == kHoursShown) return out + "  ... (--json shows every hour)\n";
    out += fmt::format("{:>5} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9}\n", i, h.arrived,
                       h.attempts, h.delivered, h.deferred, h.bounced, h.warned, h.waiting);
  }
  return out;
}

int wrong(const char* option, const std::string& value) {
  return fail(kExitUsage, fmt::format("{}: '{}' is not understood", option, value));
}

}  // namespace

std::string simulation_table(const simulator::Report& report, std::size_t rows) {
  std::string out = fmt::format(
      "{} recipients: {} delivered, {} bounced, {} waiting, after {}\n"
      "delay of the delivered: half within {}, 95 % within {}, all within {}\n\n",
      report.recipients, report.delivered, report.bounced, report.waiting,
      format_duration(report.end - report.start), format_duration(report.delays.p50),
      format_duration(report.delays.p95), format_duration(report.delays.max));
  out += hours_table(report) + "\n";
  out += fmt::format("{:<32} {:>9} {:>9} {:>8} {:>7} {:>7} {:>7} {:>9}\n", "destination",
                     "attempts", "delivered", "bounced", "at once", "window", "breaker", "held");
  std::size_t shown = 0;
  for (const simulator::DestinationResult* d : ordered(report)) {
    if (shown++ == rows) {
      out += fmt::format("  ... {} more (--json shows all)\n", report.destinations.size() - rows);
      break;
    }
    out += fmt::format("{:<32} {:>9} {:>9} {:>8} {:>7} {:>7.1f} {:>7} {:>9}\n", d->key, d->attempts,
                       d->delivered, d->bounced, d->running_max, d->window, d->breaker_opened,
                       d->held > Duration(0) ? format_duration(d->held) : "-");
  }
  return out;
}

std::string simulation_json(const simulator::Report& report) {
  Json out;
  out["recipients"] = report.recipients;
  out["delivered"] = report.delivered;
  out["bounced"] = report.bounced;
  out["waiting"] = report.waiting;
  out["events"] = report.events;
  out["duration_ms"] = (report.end - report.start).count();
  out["delay_ms"] = {{"p50", report.delays.p50.count()},
                     {"p95", report.delays.p95.count()},
                     {"max", report.delays.max.count()}};
  Json& hours = out["hours"] = Json::array();
  for (const simulator::Hour& h : report.hours)
    hours.push_back({{"arrived", h.arrived},
                     {"attempts", h.attempts},
                     {"delivered", h.delivered},
                     {"deferred", h.deferred},
                     {"bounced", h.bounced},
                     {"warned", h.warned},
                     {"waiting", h.waiting}});
  Json& destinations = out["destinations"] = Json::array();
  for (const simulator::DestinationResult* d : ordered(report))
    destinations.push_back({{"destination", d->key},
                            {"attempts", d->attempts},
                            {"delivered", d->delivered},
                            {"bounced", d->bounced},
                            {"waiting", d->waiting},
                            {"running_max", d->running_max},
                            {"window", d->window},
                            {"window_max", d->window_max},
                            {"breaker_opened", d->breaker_opened},
                            {"held_ms", d->held.count()}});
  out["violations"] = report.violations;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int simulate_command(const ClientOptions& options, const SimulateOptions& simulate) {
  config::Loaded loaded = config::load_client(options.config_file);
  if (!loaded.diagnostics.empty()) {
    for (const config::Diagnostic& d : loaded.diagnostics) fmt::print(stderr, "{}\n", d.text());
    return kExitConfig;
  }
  simulator::Request request = simulate.request;
  auto over = config::parse_duration(simulate.over);
  if (!over) return wrong("--over", simulate.over);
  request.over = *over;
  auto latency = config::parse_duration(simulate.latency);
  if (!latency) return wrong("--latency", simulate.latency);
  request.latency = *latency;
  for (const std::string& text : simulate.outages) {
    auto outage = simulator::parse_outage(text);
    if (!outage) return wrong("--outage", text);
    request.outages.push_back(*std::move(outage));
  }
  Result<simulator::MailPlan> plan = simulator::plan_mail(loaded.config, request);
  if (!plan) return fail(plan.error().code, plan.error().text);
  simulator::MailPlan mail = plan.take();
  simulator::Simulation simulation(std::move(mail.scenario), std::move(mail.source));
  simulation.run();
  simulator::Report report = simulation.report();
  if (options.json)
    fmt::print("{}\n", simulation_json(report));
  else
    fmt::print("{}", simulation_table(report, kRowsShown));
  for (const std::string& one : report.violations) fmt::print(stderr, "broken: {}\n", one);
  return report.violations.empty() ? kExitOk : kExitSoftware;
}

}  // namespace postwain::tool
