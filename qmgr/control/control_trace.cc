// `trace`: the history is asked, then the queue for what is still in it.
#include <cerrno>

#include <fmt/format.h>

#include "common/base/sysexits.h"

#include "qmgr/control/control.h"
#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/json/trace_json.h"
#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

// What a trace is answered with.
struct Control::Found {
  std::string named;  // what was asked for
  std::vector<Timeline> timelines;
  std::vector<std::optional<StoredMessage>> queued;  // all that is still queued of them
  std::vector<RefusedAttempt> refused;
  std::optional<Error> trouble;
};

namespace {

using Timelines = std::vector<Timeline>;
using Refused = Result<std::vector<RefusedAttempt>>;

}  // namespace

void Control::look_into_queue(QueueStore& store, const std::string& query, Found& found) {
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

std::string Control::operator_at(std::uint64_t peer) const {
  auto found = peers_.find(peer);
  if (found == peers_.end()) return {};
  auto credentials = found->second->peer_credentials();
  if (!credentials) return {};
  return fmt::format("{} (uid {}, pid {})", names_.at(peer), credentials->uid, credentials->pid);
}

void Control::trace(std::uint64_t peer, std::uint64_t request, const Command& command) {
  if (command.query.empty() && command.client.empty())
    return reply(peer, request,
                 json_error("trace needs a queue id, an address, a Message-ID or --client"), true,
                 kExitUsage);
  auto found = std::make_shared<Found>();
  found->named = command.query.empty() ? command.client : command.query;
  // Messages have no client to be found by; it is only asked for what was refused.
  if (!command.client.empty()) return trace_refused(peer, request, command, found);
  queue_.history().find(
      command.query, command.limit,
      [this, peer, request, command, found](Result<Timelines> timelines) {
        if (timelines)
          found->timelines = timelines.take();
        else
          found->trouble = timelines.error();
        queue_.store().read([=, this](QueueStore& store) -> StoreWorker::Completion {
          look_into_queue(store, command.query, *found);
          return [=, this] { trace_refused(peer, request, command, found); };
        });
      });
}

void Control::trace_refused(std::uint64_t peer, std::uint64_t request, const Command& command,
                            const std::shared_ptr<Found>& found) {
  queue_.history().find_refusals(command.query, command.client, command.limit,
                                 [this, peer, request, found](Refused refused) {
                                   if (refused)
                                     found->refused = refused.take();
                                   else if (!found->trouble)
                                     found->trouble = refused.error();
                                   tell_found(peer, request, *found);
                                 });
}

void Control::tell_found(std::uint64_t peer, std::uint64_t request, const Found& found) {
  if (found.timelines.empty() && found.refused.empty()) {
    std::string why = found.trouble ? ": " + found.trouble->text : std::string();
    int code = found.trouble && found.trouble->code != 0 ? kExitTempFail : kExitNoInput;
    return reply(peer, request, json_error("nothing known of " + found.named + why), true, code);
  }
  std::size_t all = found.timelines.size() + found.refused.size();
  for (std::size_t i = 0; i < all; ++i) {
    if (!has_room(peer)) {
      reply(peer, request, json_not_shown(all - i), false);
      break;
    }
    std::size_t messages = found.timelines.size();
    reply(peer, request,
          i < messages ? json_trace(found.timelines[i], found.queued[i], row_view())
                       : json_refused(found.refused[i - messages]),
          false);
  }
  reply(peer, request, {});
}

}  // namespace postwain::qmgr
