#include "common/filtering/filter_link.h"

#include <utility>
#include <vector>

#include "common/log/log.h"

namespace postwain::filtering {

FilterLink::FilterLink(net::Loop& loop, std::map<std::string, FilterFallback> fallbacks)
    : loop_(loop), fallbacks_(std::move(fallbacks)) {}

FilterLink::~FilterLink() {
  loop_.forget_turn_end(this);
}

void FilterLink::adopt(UniqueFd end) {
  if (connection_ != nullptr) lost("another link has come");
  auto stream = net::Stream::adopt(loop_, end.release(), net::Carries::descriptors);
  if (!stream) {
    log::Line(log::Level::error, "filter_link")
        .kv("state", "down")
        .kv("reason", stream.error().text);
    return;
  }
  connection_ = std::make_unique<daemon::IpcConnection>(
      loop_, stream.take(),
      daemon::IpcConnection::Callbacks{
          .on_frame = [this](ipc::FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_closed = [this](const std::string& why) { lost(why); },
          .on_drained = [] {},
      });
}

FilterFallback FilterLink::fallback(const std::string& listener) const {
  auto found = fallbacks_.find(listener);
  return found == fallbacks_.end() ? FilterFallback::none : found->second;
}

const ipc::FilterWants::Listener* FilterLink::wants(const std::string& listener) const {
  auto found = wants_.find(listener);
  return found == wants_.end() ? nullptr : &found->second;
}

std::uint64_t FilterLink::add(FilterPeer& peer) {
  peers_[++last_session_] = &peer;
  return last_session_;
}

bool FilterLink::frame(ipc::FrameType type, std::string_view payload) {
  switch (type) {
    case ipc::FrameType::filter_wants:
      return wants_frame(payload);
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

bool FilterLink::wants_frame(std::string_view payload) {
  ipc::FilterWants message;
  if (!ipc::decode(payload, message)) return false;
  if (!wants_known_)
    log::Line(log::Level::info, "filter_link")
        .kv("state", "up")
        .kv("listeners", message.listeners.size());
  wants_known_ = true;
  wants_.clear();
  for (ipc::FilterWants::Listener& one : message.listeners)
    wants_.insert_or_assign(one.name, std::move(one));
  if (on_wants_) on_wants_();
  return true;
}

// Frames of a session that has gone meanwhile are nobody's.
template <class Message, class Tell>
bool FilterLink::to_peer(std::string_view payload, Tell tell) {
  Message message;
  if (!ipc::decode(payload, message)) return false;
  auto found = peers_.find(message.session);
  if (found != peers_.end()) tell(*found->second, message);
  return true;
}

void FilterLink::lost(const std::string& why) {
  log::Line(log::Level::warning, "filter_link").kv("state", "down").kv("reason", why);
  former_ = std::move(connection_);
  loop_.at_turn_end(this, [this] { former_.reset(); });
  wants_known_ = false;
  wants_.clear();
  std::vector<FilterPeer*> peers;
  for (const auto& [number, peer] : std::exchange(peers_, {})) peers.push_back(peer);
  for (FilterPeer* peer : peers) peer->link_lost();
  if (on_wants_) on_wants_();
}

}  // namespace postwain::filtering
