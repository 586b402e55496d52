#include "common/filtering/filter_connection.h"

#include <utility>

namespace postwain::filtering {

FilterConnection::FilterConnection(net::Loop& loop, net::Stream stream, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      ipc_(loop, std::move(stream),
           daemon::IpcConnection::Callbacks{
               .on_frame = [this](ipc::FrameType type,
                                  std::string_view payload) { return frame(type, payload); },
               .on_closed = [this](const std::string& why) { callbacks_.on_lost(why); },
               .on_drained = [] {},
           }) {}

const ipc::FilterWants::Listener* FilterConnection::wants(const std::string& listener) const {
  auto found = wants_.find(listener);
  return found == wants_.end() ? nullptr : &found->second;
}

void FilterConnection::forget(std::uint64_t session) {
  if (peers_.erase(session) > 0 && peers_.empty()) callbacks_.on_idle();
}

void FilterConnection::give_up() {
  auto peers = std::exchange(peers_, {});
  // Whoever is told may end others that stand here, so they are taken one by one.
  while (!peers.empty()) {
    FilterPeer* peer = peers.begin()->second;
    peers.erase(peers.begin());
    peer->connection_lost();
  }
}

bool FilterConnection::frame(ipc::FrameType type, std::string_view payload) {
  switch (type) {
    case ipc::FrameType::filter_wants:
      return wants_frame(payload);
    case ipc::FrameType::draining:
      return draining_frame(payload);
    case ipc::FrameType::filter_answer:
      return to_peer<ipc::FilterAnswer>(
          payload, [](FilterPeer& peer, auto& message) { peer.answered(std::move(message)); });
    case ipc::FrameType::filter_window:
      return to_peer<ipc::FilterWindow>(
          payload, [](FilterPeer& peer, auto& message) { peer.window(message.octets); });
    case ipc::FrameType::filter_body_piece:
      return to_peer<ipc::FilterBodyPiece>(
          payload, [](FilterPeer& peer, auto& message) { peer.body_piece(message.octets); });
    case ipc::FrameType::filter_result:
      return to_peer<ipc::FilterResult>(
          payload, [](FilterPeer& peer, auto& message) { peer.concluded(std::move(message)); });
    default:
      return false;
  }
}

bool FilterConnection::wants_frame(std::string_view payload) {
  ipc::FilterWants message;
  if (!ipc::decode(payload, message)) return false;
  wants_.clear();
  for (ipc::FilterWants::Listener& one : message.listeners)
    wants_.insert_or_assign(one.name, std::move(one));
  callbacks_.on_wants(!std::exchange(wants_known_, true));
  return true;
}

// All that has been told of messages stands before the answer, so `filter` knows of each that has
// begun when it reads that.
bool FilterConnection::draining_frame(std::string_view payload) {
  ipc::Draining message;
  if (!ipc::decode(payload, message) || std::exchange(draining_, true)) return false;
  ipc_.send(ipc::NothingMore{});
  callbacks_.on_wants(false);
  return true;
}

// Frames of a session that has gone meanwhile are nobody's.
template <class Message, class Tell>
bool FilterConnection::to_peer(std::string_view payload, Tell tell) {
  Message message;
  if (!ipc::decode(payload, message)) return false;
  auto found = peers_.find(message.session);
  if (found != peers_.end()) tell(*found->second, message);
  return true;
}

}  // namespace postwain::filtering
