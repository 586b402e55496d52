// What agents ask for while they deliver: tokens to log in with, and the contents of messages.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "qmgr/dispatch/delivery.h"

namespace postwain::qmgr {

bool Delivery::token_request(std::uint64_t peer, std::string_view payload) {
  ipc::TokenRequest request;
  if (!ipc::decode(payload, request)) return false;
  tokens_.find(request.command, request.refused,
               [this, peer, number = request.request](const Result<std::string>& token) {
                 auto agent = agents_.find(peer);
                 if (agent == agents_.end()) return;
                 ipc::Token answer{number, {}, {}};
                 (token ? answer.token : answer.trouble) = token ? *token : token.error().text;
                 agent->second.connection->send(answer);
               });
  return true;
}

bool Delivery::content_request(std::uint64_t peer, Agent& agent, std::string_view payload) {
  ipc::ContentRequest request;
  if (!ipc::decode(payload, request)) return false;
  auto found = agent.leases.find(request.lease);
  if (found == agent.leases.end()) return false;
  mail::QueueId id = found->second.pick.job.id;
  WorkingMessage* message = queue_.leasing().find(id);
  if (message == nullptr) return false;  // all its recipients are reported: nothing to ask for
  if (request.unreadable) {
    queue_.leasing().mark_damaged(id);
    return true;
  }
  std::uint64_t size = message->info.size;
  std::uint64_t lease = request.lease;
  if (message->info.in_file) {
    queue_.content().open(*message, [this, peer, lease, id](Result<OpenContent> opened) {
      if (opened)
        return send_content(peer, {lease, ipc::Content::Kind::file, opened->head},
                            std::move(opened->file));
      if (!is_temporary(opened.error().code)) note_lost(peer, lease, id);
      send_content(peer, {lease, ipc::Content::Kind::missing, {}}, {});
    });
    return true;
  }
  queue_.content().read(message->info, 0, static_cast<std::size_t>(size),
                        [this, peer, lease, id, size](const std::optional<std::string>& bytes) {
                          bool whole = bytes && bytes->size() == size;
                          auto kind =
                              whole ? ipc::Content::Kind::whole : ipc::Content::Kind::missing;
                          std::string_view text = whole ? std::string_view(*bytes) : "";
                          if (!whole) note_lost(peer, lease, id);
                          send_content(peer, ipc::Content{lease, kind, text}, {});
                        });
  return true;
}

// Its recipients are held when the attempt ends. Not where we only lack a descriptor at the moment:
// then it is tried again.
void Delivery::note_lost(std::uint64_t peer, std::uint64_t lease, mail::QueueId id) {
  auto found = agents_.find(peer);
  if (found != agents_.end() && found->second.leases.count(lease) > 0)
    queue_.leasing().mark_damaged(id);
}

void Delivery::send_content(std::uint64_t peer, const ipc::Content& content, UniqueFd file) {
  auto found = agents_.find(peer);
  if (found == agents_.end()) return;
  if (file)
    found->second.connection->send(content, std::move(file));
  else
    found->second.connection->send(content);
}

}  // namespace postwain::qmgr
