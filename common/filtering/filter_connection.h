// One connection to one `filter` process and the conversations on it. A filter that is replaced at
// a reload has an older connection until the conversations that began there have ended.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/daemon/ipc_connection.h"
#include "common/ipc/filter_messages.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

namespace postwain::filtering {

// One session's part of a connection.
class FilterPeer {
 public:
  virtual ~FilterPeer() = default;
  virtual void answered(ipc::FilterAnswer answer) = 0;
  virtual void window(std::size_t octets) = 0;
  virtual void body_piece(std::string_view octets) = 0;
  virtual void concluded(ipc::FilterResult result) = 0;
  // The connection has ended, and with it everything that was told on it.
  virtual void connection_lost() = 0;
};

class FilterConnection {
 public:
  struct Callbacks {
    // It is known what the filters want to hear; first: for the first time.
    std::function<void(bool first)> on_wants;
    // The connection has ended; its conversations have not been told yet. It is destroyed later
    // only: its own code is on the stack.
    std::function<void(const std::string& why)> on_lost;
    // The last conversation has been forgotten. The same holds.
    std::function<void()> on_idle;
  };

  FilterConnection(net::Loop& loop, net::Stream stream, Callbacks callbacks);
  FilterConnection(const FilterConnection&) = delete;
  FilterConnection& operator=(const FilterConnection&) = delete;

  // It is known what the filters want to hear, and messages may be begun. `filter` says where that
  // is over, because it is about to end; those under way go on.
  bool up() const { return wants_known_ && !draining_; }
  // Of sessions of this listener; null: nothing.
  const ipc::FilterWants::Listener* wants(const std::string& listener) const;
  std::size_t listeners() const { return wants_.size(); }

  // A conversation under a number that no other one has. Until forget() or connection_lost().
  void add(std::uint64_t session, FilterPeer& peer) { peers_[session] = &peer; }
  void forget(std::uint64_t session);
  bool is_idle() const { return peers_.empty(); }
  template <class Message>
  void send(const Message& message) {
    ipc_.send(message);
  }

  // Tells each conversation that the connection is lost.
  void give_up();

 private:
  bool frame(ipc::FrameType type, std::string_view payload);
  bool wants_frame(std::string_view payload);
  bool draining_frame(std::string_view payload);
  template <class Message, class Tell>
  bool to_peer(std::string_view payload, Tell tell);

  Callbacks callbacks_;
  daemon::IpcConnection ipc_;
  bool wants_known_ = false;
  bool draining_ = false;
  std::map<std::string, ipc::FilterWants::Listener> wants_;
  std::unordered_map<std::uint64_t, FilterPeer*> peers_;
};

}  // namespace postwain::filtering
