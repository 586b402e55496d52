#include "common/daemon/qmgr_link.h"

#include <algorithm>

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
  connection_ = std::make_unique<QmgrConnection>(
      loop_, QmgrConnection::Settings{path_, role_, name_, net::Carries::descriptors},
      QmgrConnection::Callbacks{
          .on_welcome = [this](const ipc::Welcome& welcome) { welcomed(welcome); },
          .on_frame = callbacks_.on_frame,
          .on_end = [this](QmgrConnection::End, const Error& error) { lost(error.text); },
          .on_drained = callbacks_.on_drained,
      });
}

void QmgrLink::welcomed(const ipc::Welcome& welcome) {
  up_ = true;
  delay_ = kFirstRetry;
  log::Line(log::Level::debug, "qmgr_up").kv("worker", welcome.worker);
  if (callbacks_.on_up) callbacks_.on_up(welcome);
}

void QmgrLink::lost(const std::string& why) {
  bool was_up = up_;
  up_ = false;
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
