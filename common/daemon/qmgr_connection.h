// One connection to qmgr: connects, says hello, waits for the welcome. It is made once; who wants
// another one after its end makes another one (QmgrLink does, for as long as a process lives).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/base/result.h"
#include "common/daemon/ipc_connection.h"
#include "common/ipc/messages.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

namespace postwain::daemon {

class QmgrConnection {
 public:
  struct Settings {
    std::string socket_path;
    ipc::Role role = ipc::Role::control;
    std::string name;  // what this process calls itself
    net::Carries carries = net::Carries::bytes;
  };
  enum class End : std::uint8_t {
    unreachable,  // nobody listens, or we may not connect; the error has the errno
    untrusted,    // `check` says so, and nothing was said; the error is its own
    refused,      // it ended before the welcome: qmgr does not let us in
    lost,         // it ended after the welcome
  };
  // Each may destroy the connection.
  struct Callbacks {
    // Who listens, as the kernel says (nothing: it does not say), before a word is said or read.
    std::function<Status(const std::optional<net::PeerCredentials>& server)> check{};
    std::function<void(const ipc::Welcome&)> on_welcome{};
    // After the welcome only. False: not a valid message; the connection ends.
    std::function<bool(ipc::FrameType, std::string_view payload)> on_frame{};
    // Once, not before the constructor has returned; no callback follows.
    std::function<void(End, const Error&)> on_end{};
    std::function<void()> on_drained{};  // IpcConnection
  };

  QmgrConnection(net::Loop& loop, Settings settings, Callbacks callbacks);
  ~QmgrConnection();
  QmgrConnection(const QmgrConnection&) = delete;
  QmgrConnection& operator=(const QmgrConnection&) = delete;

  bool welcomed() const { return welcomed_; }
  // The hello is said, and the answer has not come: qmgr may already have sent more behind it.
  bool greeting() const { return connection_ != nullptr && !welcomed_; }
  // Only when it has been welcomed, and until its end.
  IpcConnection& ipc() {
    PW_CHECK(welcomed_ && connection_ != nullptr);
    return *connection_;
  }

 private:
  void connected(const Status& status);
  bool frame(ipc::FrameType type, std::string_view payload);
  void end(End how, const Error& error);

  net::Loop& loop_;
  Settings settings_;
  std::shared_ptr<Callbacks> callbacks_;  // shared only with a call that is running
  net::Stream connecting_;
  std::unique_ptr<IpcConnection> connection_;
  bool welcomed_ = false;
};

}  // namespace postwain::daemon
