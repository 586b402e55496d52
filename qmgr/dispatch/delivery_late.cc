// What agents that come back tell of attempts of before.
#include <algorithm>

#include "common/log/log.h"

#include "qmgr/dispatch/delivery.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

void Delivery::left_known() {
  for (auto& [peer, agent] : agents_)
    for (const std::string& payload : std::exchange(agent.early, {}))
      (void)late_outcomes(peer, agent, payload);
}

// An agent believes what it says; whether it is to be believed is decided by what it was lent.
bool Delivery::late_outcomes(std::uint64_t peer, Agent& agent, std::string_view payload) {
  ipc::LateOutcomes late;
  if (!ipc::decode(payload, late)) return false;
  if (!queue_.start().left_known()) {
    constexpr std::size_t kEarlyFrameMax = 32U << 10;  // equal outcomes are said once
    if (agent.early.size() >= kEarlyFramesMax) return false;
    if (payload.size() <= kEarlyFrameMax) agent.early.emplace_back(payload);
    return true;
  }
  if (queue_.bags().is_elsewhere(late.id)) {
    outcomes_elsewhere(agent, std::move(late));
    return true;
  }
  LentBefore::News who{peer, agent.pool, agent.since, mono_now()};
  std::vector<std::uint32_t> ended;
  for (const ipc::RecipientOutcome& one : late.outcomes) ended.push_back(one.index);
  queue_.leasing().lent_before().keep_ended(who, late.id, ended);
  queue_.leasing().lent_before().keep_running(who, late.id, late.still_running);
  log::Line(log::Level::info, "late_outcomes")
      .kv("id", late.id.text())
      .kv("outcomes", late.outcomes.size())
      .kv("believed", ended.size())
      .kv("still_running", late.still_running.size());
  // Who was blocked as still running and is no longer named is free again: his end is among these,
  // or nobody waits for it.
  std::vector<std::uint32_t> before =
      std::exchange(agent.still_running[late.id], late.still_running);
  if (late.still_running.empty()) agent.still_running.erase(late.id);
  queue_.late_outcomes().block(late.id, late.still_running);
  std::vector<IndexedOutcome> outcomes;
  for (ipc::RecipientOutcome& one : late.outcomes) {
    auto believed = std::find(ended.begin(), ended.end(), one.index);
    if (believed == ended.end()) continue;
    ended.erase(believed);
    bound(one.outcome);
    std::erase(before, one.index);
    outcomes.push_back({one.index, std::move(one.outcome)});
  }
  std::erase_if(before, [&](std::uint32_t index) {
    const auto& on = late.still_running;
    return std::find(on.begin(), on.end(), index) != on.end();
  });
  if (!before.empty()) queue_.late_outcomes().unblock(late.id, before);
  if (!outcomes.empty()) queue_.late_outcomes().settle(late.id, std::move(outcomes));
  return true;
}

// Another node has taken the message over, with the names of its attempts: it knows who is in doubt
// because of us, and believes nothing beyond that. From an agent only what LentBefore would take in
// time is passed on.
void Delivery::outcomes_elsewhere(Agent& agent, ipc::LateOutcomes late) {
  if (!on_elsewhere_) return;
  const bool in_time = mono_now() - agent.since <= kLateNewsFor;
  std::vector<std::uint32_t>& runs = agent.runs_elsewhere[late.id];
  std::size_t passed_on = 0;
  for (ipc::RecipientOutcome& one : late.outcomes) {
    if (!in_time && std::erase(runs, one.index) == 0) continue;
    bound(one.outcome);
    on_elsewhere_(late.id, one.index, one.outcome);
    ++passed_on;
  }
  log::Line(log::Level::info, "late_outcomes")
      .kv("id", late.id.text())
      .kv("outcomes", late.outcomes.size())
      .kv("believed", passed_on)
      .kv("still_running", late.still_running.size());
  if (in_time && agent.runs_elsewhere.size() <= kLeasesPerAgent)
    runs = std::move(late.still_running);
  if (runs.empty()) agent.runs_elsewhere.erase(late.id);
}

}  // namespace postwain::qmgr
