#include "filter/dial.h"

namespace postwain::filter {

Dial::Dial(Shared& shared, const config::FilterSocket& socket,
           std::function<void(const Status&)> done)
    : shared_(shared), socket_(socket), done_(std::move(done)) {
  if (!socket_.unix_path.empty() || socket_.literal || !shared_.lookup) {
    hosts_ = {socket_.host};
    connect();
    return;
  }
  auto found = [this, lives = std::weak_ptr<bool>(lives_)](std::vector<std::string> hosts) {
    if (lives.expired()) return;
    hosts_.assign(hosts.rbegin(), hosts.rend());
    // The answer may be there at once; whoever dials does not expect its end.
    if (hosts_.empty()) hosts_.emplace_back();
    connect();
  };
  shared_.lookup(socket_.host, found);
}

void Dial::connect() {
  net::Endpoint to{std::move(hosts_.back()), socket_.port, socket_.unix_path};
  hosts_.pop_back();
  stream_ = net::Stream::connect(shared_.loop, to, {},
                                 [this](const Status& status) { connected(status); });
}

void Dial::connected(const Status& status) {
  if (!status && !hosts_.empty()) return connect();
  done_(status);
}

}  // namespace postwain::filter
