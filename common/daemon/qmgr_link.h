// A process's connections to qmgr, one after the other: a new one after each loss (50 ms, doubling
// to 1 s). Start order never matters.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/daemon/qmgr_connection.h"
#include "common/ipc/messages.h"
#include "common/net/loop.h"

namespace postwain::daemon {

class QmgrLink {
 public:
  struct Callbacks {
    std::function<void(const ipc::Welcome&)> on_up{};
    std::function<void(const std::string& why)> on_down{};  // only after on_up
    std::function<bool(ipc::FrameType, std::string_view payload)> on_frame{};
    std::function<void()> on_drained{};
  };

  QmgrLink(net::Loop& loop, std::string socket_path, ipc::Role role, std::string name,
           Callbacks callbacks);
  ~QmgrLink();
  QmgrLink(const QmgrLink&) = delete;
  QmgrLink& operator=(const QmgrLink&) = delete;

  bool up() const { return up_; }
  // Not up, but qmgr may think so: its welcome, and what it sent behind that, is on its way.
  bool greeting() const { return !up_ && connection_ != nullptr && connection_->greeting(); }
  // Only while up.
  template <class Message>
  void send(const Message& message) {
    PW_CHECK(up_);
    connection_->ipc().send(message);
  }
  // IpcConnection::try_send.
  template <class Message>
  [[nodiscard]] bool try_send(const Message& message) {
    PW_CHECK(up_);
    return connection_->ipc().try_send(message);
  }
  void send_frames(std::string_view frames) {
    PW_CHECK(up_);
    connection_->ipc().send_frames(frames);
  }
  // IpcConnection::take_descriptor, from within on_frame.
  UniqueFd take_descriptor(const ipc::FileMark& mark) {
    return up_ ? connection_->ipc().take_descriptor(mark) : UniqueFd();
  }
  std::size_t pending() const { return up_ ? connection_->ipc().pending() : 0; }

 private:
  void connect();
  void welcomed(const ipc::Welcome& welcome);
  void lost(const std::string& why);

  net::Loop& loop_;
  std::string path_;
  ipc::Role role_;
  std::string name_;
  Callbacks callbacks_;
  net::Timer retry_;
  Duration delay_;
  std::unique_ptr<QmgrConnection> connection_;
  bool up_ = false;
};

}  // namespace postwain::daemon
