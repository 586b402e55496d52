// `trace`: the history is asked, then the queue for what is still in it.
#include <cerrno>

#include <fmt/format.h>

#include "common/base/sysexits.h"

#include "qmgr/control.h"
#include "qmgr/trace_json.h"

namespace postwain::qmgr {

namespace {

using Timelines = std::vector<Timeline>;

// All that is still queued of these messages.
struct Found {
  Timelines timelines;
  std::vector<std::optional<StoredMessage>> queued;
};

void look_into_queue(Store& store, const std::string& query, Found& found) {
  for (const Timeline& timeline : found.timelines) {
    auto message = store.message(timeline.id, 0, kTraceRecipients);
    found.queued.push_back(message ? message.take() : std::nullopt);
  }
  auto id = mail::QueueId::parse(query);
  if (!found.timelines.empty() || !id) return;
  auto message = store.message(*id, 0, kTraceRecipients);
  if (!message || !*message) return;
  found.timelines.push_back(timeline_of(**message));
  found.queued.push_back(message.take());
}

}  // namespace

std::string Control::operator_at(std::uint64_t peer) const {
  auto found = peers_.find(peer);
  if (found == peers_.end()) return {};
  auto credentials = found->second->peer_credentials();
  if (!credentials) return {};
  return fmt::format("{} (uid {}, pid {})", names_.at(peer), credentials->uid, credentials->pid);
}

void Control::trace(std::uint64_t peer, std::uint64_t request, const Command& command) {
  if (command.query.empty())
    return reply(peer, request, json_error("trace needs a queue id, an address or a Message-ID"),
                 true, kExitUsage);
  queue_.history().find(
      command.query, command.limit,
      [this, peer, request, query = command.query](Result<Timelines> timelines) {
        std::string why = timelines ? std::string() : ": " + timelines.error().text;
        int code = timelines || timelines.error().code == 0 ? kExitNoInput : kExitTempFail;
        auto found = std::make_shared<Found>();
        if (timelines) found->timelines = timelines.take();
        queue_.store().read([=, this](Store& store) -> StoreThread::Completion {
          look_into_queue(store, query, *found);
          return [=, this] {
            if (found->timelines.empty())
              return reply(peer, request, json_error("nothing known of " + query + why), true,
                           code);
            for (std::size_t i = 0; i < found->timelines.size(); ++i) {
              if (!has_room(peer)) {
                reply(peer, request, json_not_shown(found->timelines.size() - i), false);
                break;
              }
              reply(peer, request, json_trace(found->timelines[i], found->queued[i], is_active()),
                    false);
            }
            reply(peer, request, {});
          };
        });
      });
}

}  // namespace postwain::qmgr
