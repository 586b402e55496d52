#include "common/daemon/qmgr_connection.h"

#include <utility>

#include <unistd.h>

namespace postwain::daemon {

QmgrConnection::QmgrConnection(net::Loop& loop, Settings settings, Callbacks callbacks)
    : loop_(loop),
      settings_(std::move(settings)),
      callbacks_(std::make_shared<Callbacks>(std::move(callbacks))) {
  connecting_ = net::Stream::connect(
      loop_, net::Endpoint{{}, 0, settings_.socket_path}, {},
      [this](const Status& status) { connected(status); }, settings_.carries);
}

QmgrConnection::~QmgrConnection() = default;

void QmgrConnection::connected(const Status& status) {
  if (!status) return end(End::unreachable, status.error());
  if (callbacks_->check)
    if (Status trusted = callbacks_->check(connecting_.peer_credentials()); !trusted)
      return end(End::untrusted, trusted.error());
  connection_ = std::make_unique<IpcConnection>(
      loop_, std::move(connecting_),
      IpcConnection::Callbacks{
          .on_frame = [this](ipc::FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_closed =
              [this](const std::string& why) {
                end(welcomed_ ? End::lost : End::refused, Error{why});
              },
          .on_drained =
              [callbacks = callbacks_] {
                if (callbacks->on_drained) callbacks->on_drained();
              },
      });
  connection_->send(ipc::Hello{ipc::kProtocolVersion, settings_.role,
                               static_cast<std::uint32_t>(::getpid()), settings_.name});
}

bool QmgrConnection::frame(ipc::FrameType type, std::string_view payload) {
  std::shared_ptr<Callbacks> callbacks = callbacks_;
  if (welcomed_) return callbacks->on_frame(type, payload);
  ipc::Welcome welcome;
  if (type != ipc::FrameType::welcome || !ipc::decode(payload, welcome) ||
      welcome.version != ipc::kProtocolVersion)
    return false;
  welcomed_ = true;
  if (callbacks->on_welcome) callbacks->on_welcome(welcome);
  return true;
}

void QmgrConnection::end(End how, const Error& error) {
  std::shared_ptr<Callbacks> callbacks = callbacks_;
  welcomed_ = false;
  if (callbacks->on_end) callbacks->on_end(how, error);
}

}  // namespace postwain::daemon
