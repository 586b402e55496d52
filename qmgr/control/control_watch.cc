// `watch`: live events for whoever looks on. Nothing waits for a slow reader.
#include <algorithm>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"

#include "qmgr/control/control.h"
#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/json/trace_json.h"

namespace postwain::qmgr {

namespace {

bool is_event_name(std::string_view name) {
  if (name == "received") return true;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(kLastHistoryKind); ++i)
    if (name == name_of(static_cast<HistoryKind>(i))) return true;
  return false;
}

bool is_meant(const ListFilter& filter, const std::vector<std::string>& events,
              const Recorder::Live& live) {
  if (!events.empty() && std::find(events.begin(), events.end(), live.name) == events.end())
    return false;
  if (filter.id && *filter.id != live.event.id) return false;
  return filter.may_match(live.event.recipient);
}

}  // namespace

void Control::watch(std::uint64_t peer, std::uint64_t request, const Command& command) {
  Watcher watcher{request, command.filter, {}, 0};
  for (std::string_view name : split(command.query, ',')) {
    if (name.empty()) continue;
    if (!is_event_name(name))
      return reply(peer, request, json_error("'" + std::string(name) + "' is no event"), true,
                   kExitUsage);
    watcher.events.emplace_back(name);
  }
  if (watchers_.empty()) queue_.watch([this](const Recorder::Live& live) { show_live(live); });
  watchers_.insert_or_assign(peer, std::move(watcher));
  log::Line(log::Level::info, "watch_begun").kv("by", operator_at(peer));
}

void Control::show_live(const Recorder::Live& live) {
  std::string json;
  for (auto& [peer, watcher] : watchers_) {
    auto connection = peers_.find(peer);
    if (connection == peers_.end() || !is_meant(watcher.filter, watcher.events, live)) continue;
    if (connection->second->pending() > kWalkBacklog) {
      ++watcher.dropped;
      continue;
    }
    if (watcher.dropped > 0)
      reply(peer, watcher.request, json_dropped(std::exchange(watcher.dropped, 0)), false);
    if (json.empty()) json = json_live(live);
    reply(peer, watcher.request, json, false);
  }
}

}  // namespace postwain::qmgr
