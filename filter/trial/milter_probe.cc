#include <algorithm>
#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/ipc/told_macros.h"
#include "filter/deciding/filter_rules.h"
#include "filter/milter/milter_connection.h"
#include "filter/milter/outside_filter.h"
#include "filter/trial/probe.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;

// What the bits of an agreement mean in the words of `may`.
Json rights_of(std::uint32_t actions) {
  Json out = Json::array();
  for (std::size_t i = 0; i < config::kFilterRights; ++i) {
    auto right = static_cast<config::FilterRight>(i);
    if ((milter_actions({right}) & actions & ~milter_actions({})) != 0)
      out.push_back(name_of(right));
  }
  return out;
}

constexpr std::pair<milter::Stage, const char*> kStageNames[] = {
    {milter::Stage::connect, "connect"},
    {milter::Stage::helo, "helo"},
    {milter::Stage::mail, "mail"},
    {milter::Stage::rcpt, "rcpt"},
    {milter::Stage::data, "data"},
    {milter::Stage::header, "header"},
    {milter::Stage::end_of_header, "end_of_header"},
    {milter::Stage::body, "body"},
    {milter::Stage::end_of_message, "end_of_message"},
    {milter::Stage::unknown, "unknown"},
};

Json agreement_json(const milter::Agreement& agreement, config::FilterRights may,
                    bool has_results) {
  Json hears = Json::array();
  Json missing = Json::array();
  for (const auto& [stage, name] : kStageNames) {
    if (agreement.wants(stage)) hears.push_back(name);
    const auto& asked = agreement.macros.asked(stage);
    if (!asked) continue;
    for (const std::string& macro : *asked)
      if (!ipc::is_told(macro, has_results) &&
          std::find(missing.begin(), missing.end(), macro) == missing.end())
        missing.push_back(macro);
  }
  return {{"version", agreement.version},
          {"hears", std::move(hears)},
          {"asks_for", rights_of(agreement.actions)},
          {"forbidden", rights_of(agreement.actions & ~milter_actions(may))},
          {"macros_missing", std::move(missing)}};
}

class MilterProbe final : public Probe {
 public:
  MilterProbe(Shared& shared, const config::Filter& settings, bool has_results, MemberOwner& owner)
      : clock_(shared.clock),
        filter_(settings),
        has_results_(has_results),
        since_(shared.clock.mono()),
        connection_(shared, filter_, settings.may, owner) {}

  std::optional<Json> poll() override {
    if (connection_.failure() != ipc::FilterFailure::none)
      return failed_probe(connection_.failure(), connection_.why());
    if (!connection_.ready()) return std::nullopt;
    Json out = {{"state", "works"}, {"milliseconds", (clock_.mono() - since_).count()}};
    out.update(
        agreement_json(*connection_.engine().agreement(), filter_.settings().may, has_results_));
    connection_.quit();
    return out;
  }

 private:
  Clock& clock_;
  OutsideFilter filter_;
  bool has_results_;
  MonoTime since_;
  MilterConnection connection_;
};

}  // namespace

Json failed_probe(ipc::FilterFailure failure, const std::string& why) {
  return {{"state", "failed"}, {"failure", name_of(failure)}, {"reason", printable(why)}};
}

std::unique_ptr<Probe> milter_probe(Shared& shared, const config::Filter& settings,
                                    bool has_results, MemberOwner& owner) {
  return std::make_unique<MilterProbe>(shared, settings, has_results, owner);
}

}  // namespace postwain::filter
