#include "common/daemon/qmgr_link.h"

#include <algorithm>

#include <unistd.h>

#include "common/log/log.h"

namespace postwain::daemon {

namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(50);
constexpr Duration kLongestRetry = std::chrono::seconds(1);

}  // namespace

QmgrLink::QmgrLink(net::Loop& loop, std::string socket_path, ipc::Role role, std::string name,
                   Callbacks callbacks)
    : loop_(loop),
      path_(std::move(socket_path)),
      role_(role),
      name_(std::move(name)),
      callbacks_(std::move(callbacks)),
      retry_(loop),
      delay_(kFirstRetry) {
  connect();
}

QmgrLink::~QmgrLink() = default;

void QmgrLink::connect() {
  connecting_ = net::Stream::connect(
      loop_, net::Endpoint{{}, 0, path_}, {},
      [this](Status status) { connected(std::move(status)); }, net::Carries::descriptors);
}

void QmgrLink::connected(Status status) {
  if (!status) return lost(status.error().text);
  connection_ = std::make_unique<IpcConnection>(
      loop_, std::move(connecting_),
      IpcConnection::Callbacks{
          .on_frame = [this](ipc::FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_closed = [this](const std::string& why) { lost(why); },
          .on_drained =
              [this] {
                if (callbacks_.on_drained) callbacks_.on_drained();
              },
      });
  connection_->send(
      ipc::Hello{ipc::kProtocolVersion, role_, static_cast<std::uint32_t>(::getpid()), name_});
}

bool QmgrLink::frame(ipc::FrameType type, std::string_view payload) {
  if (up_) return callbacks_.on_frame(type, payload);
  ipc::Welcome welcome;
  if (type != ipc::FrameType::welcome || !ipc::decode(payload, welcome) ||
      welcome.version != ipc::kProtocolVersion)
    return false;
  up_ = true;
  delay_ = kFirstRetry;
  log::Line(log::Level::debug, "qmgr_up").kv("worker", welcome.worker);
  if (callbacks_.on_up) callbacks_.on_up(welcome);
  return true;
}

void QmgrLink::lost(const std::string& why) {
  bool was_up = up_;
  up_ = false;
  connecting_.reset();
  connection_.reset();
  if (was_up)
    log::Line(log::Level::warning, "qmgr_down").kv("reason", why);
  else
    log::Line(log::Level::debug, "qmgr_unreachable").kv("reason", why);
  retry_.start(delay_, [this] { connect(); });
  delay_ = std::min(delay_ * 2, kLongestRetry);
  if (was_up && callbacks_.on_down) callbacks_.on_down(why);
}

}  // namespace postwain::daemon
