#include "qmgr/control/history_commands.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"

#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/json/trace_json.h"
#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

// What a trace is answered with.
struct HistoryCommands::Found {
  std::string named;  // what was asked for
  std::vector<Timeline> timelines;
  std::vector<std::optional<StoredMessage>> queued;  // all that is still queued of them
  std::vector<RefusedAttempt> refused;
  std::vector<RefusedAttempt> refused_elsewhere;
  std::optional<Error> trouble;
};

namespace {

using Timelines = std::vector<Timeline>;
using Refused = Result<std::vector<RefusedAttempt>>;

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

// The message that was asked for comes first, with what was split off from it behind it.
void join(const std::string& query, std::size_t limit, Timelines& own, Timelines&& others) {
  add_to(own, std::move(others), limit);
  if (auto id = mail::QueueId::parse(query))
    std::stable_partition(own.begin(), own.end(),
                          [&](const Timeline& timeline) { return timeline.id == *id; });
}

}  // namespace

// --- trace -------------------------------------------------------------------------------------

void HistoryCommands::look_into_queue(QueueStore& store, const std::string& query, Found& found) {
  for (const Timeline& timeline : found.timelines) {
    auto message = QueueReader(store).message(timeline.id, 0, kTraceRecipients);
    found.queued.push_back(message ? message.take() : std::nullopt);
  }
  auto id = mail::QueueId::parse(query);
  if (!found.timelines.empty() || !id) return;
  auto message = QueueReader(store).message(*id, 0, kTraceRecipients);
  if (!message || !*message) return;
  found.timelines.push_back(timeline_of(**message));
  found.queued.push_back(message.take());
}

void HistoryCommands::trace(Asker asker, const Command& command) {
  if (command.query.empty() && command.client.empty())
    return peers_.refuse(asker, "trace needs a queue id, an address, a Message-ID or --client",
                         kExitUsage);
  auto found = std::make_shared<Found>();
  found->named = command.query.empty() ? command.client : command.query;
  // Messages have no client to be found by; it is only asked for what was refused.
  if (!command.client.empty()) return trace_elsewhere(asker, command, found);
  queue_.recorder().history().find(command.query, command.limit,
                                   [this, asker, command, found](Result<Timelines> timelines) {
                                     if (timelines)
                                       found->timelines = timelines.take();
                                     else
                                       found->trouble = timelines.error();
                                     trace_elsewhere(asker, command, found);
                                   });
}

void HistoryCommands::trace_elsewhere(Asker asker, const Command& command, const FoundPtr& found) {
  if (others_ == nullptr) return trace_queue(asker, command, found);
  others_->find({command.query, command.client, command.limit},
                [this, asker, command, found](ToldElsewhere told) {
                  join(command.query, command.limit, found->timelines, std::move(told.timelines));
                  found->refused_elsewhere = std::move(told.refused);
                  if (told.trouble)
                    for (Timeline& timeline : found->timelines) timeline.cut = true;
                  if (!found->trouble) found->trouble = std::move(told.trouble);
                  trace_queue(asker, command, found);
                });
}

void HistoryCommands::trace_queue(Asker asker, const Command& command, const FoundPtr& found) {
  if (!command.client.empty()) return trace_refused(asker, command, found);
  queue_.store().read([=, this](QueueStore& store) -> StoreService::Completion {
    look_into_queue(store, command.query, *found);
    return [=, this] { trace_refused(asker, command, found); };
  });
}

void HistoryCommands::trace_refused(Asker asker, const Command& command, const FoundPtr& found) {
  queue_.recorder().history().find_refusals(
      command.query, command.client, command.limit,
      [this, asker, limit = command.limit, found](Refused refused) {
        if (refused)
          found->refused = refused.take();
        else if (!found->trouble)
          found->trouble = refused.error();
        add_to(found->refused, std::move(found->refused_elsewhere), limit);
        tell_found(asker, *found);
      });
}

// The node that has it in its queue; empty: this one, or nobody knows.
std::string HistoryCommands::owner_of(mail::QueueId id) const {
  if (cluster_ == nullptr || !queue_.bags().is_elsewhere(id)) return {};
  std::optional<std::uint8_t> owner = cluster_->owner_of(id);
  return owner && *owner != cluster_->view().node ? cluster_->name_of(*owner) : std::string();
}

void HistoryCommands::tell_found(Asker asker, const Found& found) {
  if (found.timelines.empty() && found.refused.empty()) {
    std::string why = found.trouble ? ": " + found.trouble->text : std::string();
    int code = found.trouble && found.trouble->code != 0 ? kExitTempFail : kExitNoInput;
    return peers_.refuse(asker, "nothing known of " + found.named + why, code);
  }
  std::size_t all = found.timelines.size() + found.refused.size();
  for (std::size_t i = 0; i < all; ++i) {
    if (!peers_.has_room(asker.peer)) {
      peers_.reply(asker, json_not_shown(all - i), false);
      break;
    }
    std::size_t messages = found.timelines.size();
    peers_.reply(asker,
                 i < messages ? json_trace(found.timelines[i], found.queued[i], view_.row_view(),
                                           owner_of(found.timelines[i].id))
                              : json_refused(found.refused[i - messages]),
                 false);
  }
  peers_.reply(asker, {});
}

// --- watch -------------------------------------------------------------------------------------

void HistoryCommands::watch(Asker asker, const Command& command) {
  Watcher watcher{asker.request, command.filter, {}, 0};
  for (std::string_view name : split(command.query, ',')) {
    if (name.empty()) continue;
    if (!is_event_name(name))
      return peers_.refuse(asker, "'" + std::string(name) + "' is no event", kExitUsage);
    watcher.events.emplace_back(name);
  }
  if (watchers_.empty())
    queue_.recorder().watch([this](const Recorder::Live& live) { show_live(live); });
  watchers_.insert_or_assign(asker.peer, std::move(watcher));
  log::Line(log::Level::info, "watch_begun").kv("by", peers_.author(asker.peer));
}

void HistoryCommands::lost(std::uint64_t peer) {
  if (watchers_.erase(peer) > 0 && watchers_.empty()) queue_.recorder().watch(nullptr);
}

void HistoryCommands::show_live(const Recorder::Live& live) {
  std::string json;
  for (auto& [peer, watcher] : watchers_) {
    if (!peers_.is_here(peer) || !is_meant(watcher.filter, watcher.events, live)) continue;
    if (peers_.is_behind(peer)) {
      ++watcher.dropped;
      continue;
    }
    Asker asker{peer, watcher.request};
    if (watcher.dropped > 0)
      peers_.reply(asker, json_dropped(std::exchange(watcher.dropped, 0)), false);
    if (json.empty()) json = json_live(live);
    peers_.reply(asker, json, false);
  }
}

}  // namespace postwain::qmgr
