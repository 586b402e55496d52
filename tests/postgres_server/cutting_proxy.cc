#include "tests/postgres_server/cutting_proxy.h"

#include <algorithm>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/check.h"

namespace postwain::qmgr::test {

namespace {

sockaddr_un address_in(const std::string& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = folder + "/.s.PGSQL.5432";
  PW_CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

bool send_all(int fd, const char* bytes, std::size_t count) {
  while (count > 0) {
    ssize_t sent = ::send(fd, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

CuttingProxy::CuttingProxy(const std::string& server_folder)
    : server_(server_folder), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address = address_in(folder_.path());
  PW_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  PW_CHECK(::listen(listener_.get(), 16) == 0);
  thread_ = std::thread([this] { serve(); });
}

CuttingProxy::~CuttingProxy() {
  stop_ = true;
  thread_.join();
}

void CuttingProxy::cut_after(Direction direction, std::size_t bytes) {
  std::lock_guard lock(mutex_);
  armed_ = true;
  cut_ = false;
  direction_ = direction;
  left_ = bytes;
}

bool CuttingProxy::stop_cutting() {
  std::lock_guard lock(mutex_);
  armed_ = false;
  return cut_;
}

void CuttingProxy::serve() {
  constexpr int kLook = 20;  // ms, after which it is looked whether this is the end
  while (!stop_) {
    std::vector<pollfd> waits = {{listener_.get(), POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      waits.push_back({pair.client.get(), POLLIN, 0});
      waits.push_back({pair.server.get(), POLLIN, 0});
    }
    if (::poll(waits.data(), waits.size(), kLook) <= 0) continue;
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      bool lives = true;
      if (waits[1 + 2 * i].revents != 0) lives = pass_on(pairs_[i], Direction::to_server);
      if (lives && waits[2 + 2 * i].revents != 0) lives = pass_on(pairs_[i], Direction::to_client);
      if (!lives) pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (waits[0].revents != 0) take_connection();
  }
}

void CuttingProxy::take_connection() {
  Pair pair{UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)),
            UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  sockaddr_un address = address_in(server_);
  if (::connect(pair.server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
    pairs_.push_back(std::move(pair));
}

// False: the connection is at its end.
bool CuttingProxy::pass_on(Pair& pair, Direction direction) {
  bool up = direction == Direction::to_server;
  const UniqueFd& from = up ? pair.client : pair.server;
  const UniqueFd& to = up ? pair.server : pair.client;
  char bytes[65536];
  ssize_t got = ::recv(from.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got <= 0) return false;
  auto count = static_cast<std::size_t>(got);
  bool cuts = false;
  {
    std::lock_guard lock(mutex_);
    if (armed_ && direction == direction_) {
      cuts = count > left_;
      count = std::min(count, left_);
      left_ -= count;
      if (cuts) {
        armed_ = false;
        cut_ = true;
      }
    }
  }
  return send_all(to.get(), bytes, count) && !cuts;
}

}  // namespace postwain::qmgr::test
