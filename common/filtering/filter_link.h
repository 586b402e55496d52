// This process's link to `filter`, shared by all its sessions. qmgr makes it, and makes another one
// when `filter` has been started again. Conversations (one for each SMTP session that filters want
// to hear of) are told when it ends; they begin anew on the next one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "common/base/file.h"
#include "common/daemon/ipc_connection.h"
#include "common/filtering/fallback.h"
#include "common/ipc/filter_messages.h"
#include "common/net/loop.h"

namespace postwain::filtering {

// One session's part of the link.
class FilterPeer {
 public:
  virtual ~FilterPeer() = default;
  virtual void answered(ipc::FilterAnswer answer) = 0;
  virtual void window(std::size_t octets) = 0;
  virtual void body_piece(std::string_view octets) = 0;
  virtual void concluded(ipc::FilterResult result) = 0;
  // The link has ended, and with it everything that was told on it.
  virtual void link_lost() = 0;
};

class FilterLink {
 public:
  // fallbacks: by name of the listener.
  FilterLink(net::Loop& loop, std::map<std::string, FilterFallback> fallbacks);
  ~FilterLink();
  FilterLink(const FilterLink&) = delete;
  FilterLink& operator=(const FilterLink&) = delete;

  // An end of a link, from qmgr. What was under way on the one before is lost.
  void adopt(UniqueFd end);
  // fn: filters can be asked, can no longer, or want to hear something else than before.
  void watch(std::function<void()> fn) { on_wants_ = std::move(fn); }
  FilterFallback fallback(const std::string& listener) const;

  // Filters can be asked. Then what they want to hear of sessions of this listener; null: nothing.
  bool up() const { return connection_ != nullptr && wants_known_; }
  const ipc::FilterWants::Listener* wants(const std::string& listener) const;

  // A conversation; its number, which stands in all frames of it. Until forget().
  std::uint64_t add(FilterPeer& peer);
  void forget(std::uint64_t session) { peers_.erase(session); }
  template <class Message>
  void send(const Message& message) {
    if (connection_ != nullptr) connection_->send(message);
  }

 private:
  bool frame(ipc::FrameType type, std::string_view payload);
  bool wants_frame(std::string_view payload);
  template <class Message, class Tell>
  bool to_peer(std::string_view payload, Tell tell);
  void lost(const std::string& why);

  net::Loop& loop_;
  std::map<std::string, FilterFallback> fallbacks_;
  std::unique_ptr<daemon::IpcConnection> connection_;
  std::unique_ptr<daemon::IpcConnection> former_;  // its own code may be on the stack
  bool wants_known_ = false;
  std::map<std::string, ipc::FilterWants::Listener> wants_;
  std::unordered_map<std::uint64_t, FilterPeer*> peers_;
  std::uint64_t last_session_ = 0;
  std::function<void()> on_wants_;
};

}  // namespace postwain::filtering
