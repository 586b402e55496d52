#include "filter/smtpd_link.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace postwain::filter {

using ipc::FrameType;

SmtpdLink::SmtpdLink(Shared& shared, std::string peer, net::Stream stream,
                     std::function<void(SmtpdLink&)> on_end)
    : shared_(shared), peer_(std::move(peer)), on_end_(std::move(on_end)) {
  connection_ = std::make_unique<daemon::IpcConnection>(
      shared.loop, std::move(stream),
      daemon::IpcConnection::Callbacks{
          .on_frame = [this](FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_closed =
              [this](const std::string& why) {
                log::Line(log::Level::info, "filter_link_down")
                    .kv("peer", peer_)
                    .kv("reason", why)
                    .kv("sessions", sessions_.size());
                on_end_(*this);
              },
          .on_drained = {},
      });
  send_wants();
}

SmtpdLink::~SmtpdLink() = default;

void SmtpdLink::send_wants() {
  connection_->send(wants_of(shared_));
}

void SmtpdLink::drain() {
  if (!std::exchange(draining_, true)) connection_->send(ipc::Draining{});
}

bool SmtpdLink::nothing_more(std::string_view payload) {
  ipc::NothingMore message;
  return ipc::decode(payload, message) && draining_ && !std::exchange(nothing_more_, true);
}

bool SmtpdLink::in_message() const {
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [](const auto& one) { return one.second->in_message(); });
}

SessionChain* SmtpdLink::find(std::uint64_t session) {
  auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : found->second.get();
}

bool SmtpdLink::frame(FrameType type, std::string_view payload) {
  switch (type) {
    case FrameType::filter_session:
      return open(payload);
    case FrameType::filter_event:
      return event(payload);
    case FrameType::filter_header:
      return header(payload);
    case FrameType::filter_body:
      return body(payload);
    case FrameType::filter_window:
      return window(payload);
    case FrameType::filter_abort:
      return abort(payload);
    case FrameType::filter_quit:
      return quit(payload);
    case FrameType::nothing_more:
      return nothing_more(payload);
    default:
      return false;
  }
}

bool SmtpdLink::open(std::string_view payload) {
  ipc::FilterSession session;
  if (!ipc::decode(payload, session) || sessions_.size() >= kSessionsMax) return false;
  std::uint64_t number = session.session;
  auto [place, is_new] = sessions_.try_emplace(number);
  ChainPort& port = *this;
  if (is_new) place->second = std::make_unique<SessionChain>(shared_, std::move(session), port);
  return is_new;
}

bool SmtpdLink::event(std::string_view payload) {
  ipc::FilterEvent event;
  if (!ipc::decode(payload, event)) return false;
  SessionChain* chain = find(event.session);
  return chain != nullptr && chain->event(std::move(event));
}

bool SmtpdLink::header(std::string_view payload) {
  ipc::FilterHeader header;
  if (!ipc::decode(payload, header)) return false;
  SessionChain* chain = find(header.session);
  return chain != nullptr && chain->header(header);
}

bool SmtpdLink::body(std::string_view payload) {
  ipc::FilterBody body;
  if (!ipc::decode(payload, body)) return false;
  SessionChain* chain = find(body.session);
  return chain != nullptr && chain->body(body.octets);
}

bool SmtpdLink::window(std::string_view payload) {
  ipc::FilterWindow window;
  if (!ipc::decode(payload, window)) return false;
  SessionChain* chain = find(window.session);
  return chain != nullptr && chain->window(window.octets);
}

bool SmtpdLink::abort(std::string_view payload) {
  ipc::FilterAbort message;
  if (!ipc::decode(payload, message)) return false;
  SessionChain* chain = find(message.session);
  if (chain != nullptr) chain->abort();
  return chain != nullptr;
}

bool SmtpdLink::quit(std::string_view payload) {
  ipc::FilterQuit message;
  return ipc::decode(payload, message) && sessions_.erase(message.session) == 1;
}

}  // namespace postwain::filter
