#include "qmgr/control/json/destination_json.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "qmgr/control/json/json_text.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

std::string end_text(WallTime until) {
  return until == WallTime::max() ? std::string("further notice") : format_rfc3339(until);
}

// One word for what may be sent there. (A breaker is open or closed; a recipient is held.)
std::string_view state_of(const DestinationReport& one) {
  if (one.suspended_until) return "suspended";
  if (one.open || one.mx_set_open) return "down";
  return one.draining ? "draining" : "ready";
}

}  // namespace

nlohmann::ordered_json destination_json(const DestinationReport& one) {
  Json d;
  d["route"] = one.key;
  d["queued"] = one.queued;
  d["active"] = one.running;
  d["window"] = one.window;
  d["state"] = state_of(one);
  d["breaker"] = one.open ? "open" : "closed";
  // When the time is over, the next message is the trial.
  bool down = one.open || one.mx_set_open;
  if (down && one.hold_until > wall_now()) d["hold_until"] = format_rfc3339(one.hold_until);
  if (!one.mx_set.empty()) {
    d["mx_set"] = one.mx_set;
    d["mx_set_breaker"] = one.mx_set_open ? "open" : "closed";
  }
  d["draining"] = one.draining;
  if (one.suspended_until) d["suspended_until"] = end_text(*one.suspended_until);
  return d;
}

void add_wait_members(nlohmann::ordered_json& out, const Wait& wait, WallTime now) {
  out["waiting_for"] = name_of(wait.cause);
  out["waiting_until"] = wait.until == WallTime::max()
                             ? wait.cause == WaitCause::suspension ? "further notice" : ""
                             : format_rfc3339(std::max(wait.until, now));
  out["waiting_reason"] = wait.words(now);
}

std::string json_destination(const DestinationReport& report, const Suspension* suspension,
                             const std::string& reason, const std::vector<mail::HostLacks>& lacking,
                             std::optional<ConnectionLedger::Count> connections) {
  Json out = destination_json(report);
  if (connections) {
    out["connections"] = {{"open", connections->open}, {"waiting", connections->waiting}};
    if (connections->places) out["connections"]["places"] = *connections->places;
  }
  if (!reason.empty()) out["reason"] = reason;
  if (suspension != nullptr) {
    out["suspended_by"] = suspension->author;
    out["suspended_since"] = format_rfc3339(suspension->since);
    out["suspended_reason"] = suspension->reason;
  }
  for (const mail::HostLacks& host : lacking) {
    Json names = Json::array();
    for (mail::Ability ability : host.lacks.list()) names.push_back(name_of(ability));
    out["learned"].push_back({{"host", host.host}, {"avoid", std::move(names)}});
  }
  return write_json(out);
}

std::string json_suspended(const std::string& name, const std::string& scope,
                           std::optional<WallTime> until) {
  Json out{{"matched", 1}, {"changed", 1}, {"destination", name}, {"scope", scope}};
  if (until) out["suspended_until"] = end_text(*until);
  return write_json(std::move(out));
}

std::string json_way(std::string_view destination, const std::optional<Wait>& wait, WallTime now) {
  Json out{{"destination", destination}};
  if (wait) add_wait_members(out, *wait, now);
  return write_json(std::move(out));
}

}  // namespace postwain::qmgr
