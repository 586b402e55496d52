#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/net/socket_address.h"
#include "common/net/stream.h"

namespace postwain::net {

namespace {

// Connections accepted in one turn, so that a flood of them does not starve the sessions that
// exist.
constexpr int kAcceptsPerTurn = 64;
constexpr Duration kPauseWithoutDescriptors = std::chrono::seconds(1);

}  // namespace

// Polls the descriptor and accepts itself: uv_listen would call listen() again on an inherited
// socket and gives no say about EMFILE.
struct Listener::Core {
  Core(Loop& its_loop, int its_fd, Carries what)
      : loop(&its_loop), fd(its_fd), carries(what), pause_timer(its_loop) {}

  void arm();
  void accept_some();
  void trouble(int number);  // 0: it is over

  uv_poll_t poll{};
  Loop* loop;
  int fd;
  Carries carries;
  std::optional<Timer> pause_timer;
  std::function<void(Stream)> on_connection;
  std::function<void(const Status&)> on_trouble;
  bool in_trouble = false;
  bool paused = false;
  bool owned = true;
};

void Listener::Core::arm() {
  uv_poll_start(&poll, UV_READABLE,
                [](uv_poll_t* h, int, int) { static_cast<Core*>(h->data)->accept_some(); });
}

void Listener::Core::trouble(int number) {
  bool is = number != 0;
  if (is == in_trouble) return;
  in_trouble = is;
  if (on_trouble) on_trouble(is ? Status(system_error("accept", number)) : Status());
}

void Listener::Core::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn && owned && !paused; ++i) {
    int connection = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        int number = errno;
        uv_poll_stop(&poll);
        pause_timer->start(kPauseWithoutDescriptors, [this] {
          if (!paused) arm();
        });
        trouble(number);
      } else if (errno == EAGAIN) {
        trouble(0);  // a descriptor was there, and nobody to take it
      }
      return;
    }
    trouble(0);
    Result<Stream> stream = Stream::adopt(*loop, connection, carries);
    if (stream) on_connection(stream.take());
  }
}

Listener::Listener(Loop& loop, int fd, std::function<void(Stream)> on_connection, Carries carries)
    : core_(new Core(loop, fd, carries)) {
  core_->on_connection = std::move(on_connection);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  PW_CHECK(uv_poll_init(loop.raw(), &core_->poll, fd) == 0);
  core_->poll.data = core_;
  core_->arm();
}

Listener::~Listener() {
  core_->owned = false;
  core_->pause_timer.reset();
  uv_poll_stop(&core_->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&core_->poll), [](uv_handle_t* h) {
    auto* core = static_cast<Core*>(h->data);
    ::close(core->fd);
    delete core;
  });
}

void Listener::watch_trouble(std::function<void(const Status&)> on_trouble) {
  core_->on_trouble = std::move(on_trouble);
}

void Listener::pause() {
  core_->paused = true;
  uv_poll_stop(&core_->poll);
}

void Listener::resume() {
  if (!core_->paused) return;
  core_->paused = false;
  core_->arm();
}

namespace {

// The path may lead elsewhere by now: only a socket of ours is given away, by what it is and not by
// its name.
Status give_to_group(const Endpoint& at, std::uint32_t group) {
  UniqueFd file(::open(at.unix_path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return system_error(at.text(), errno);
  if (!S_ISSOCK(info.st_mode) || info.st_uid != ::geteuid() || info.st_nlink != 1)
    return Error{at.text() + ": it is not the socket that was bound there", EPERM};
  if (::fchownat(file.get(), "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH) != 0)
    return system_error(at.text(), errno);
  return {};
}

Result<int> bind_unix(const Endpoint& at, const SocketRights& rights) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (at.unix_path.size() >= sizeof address.sun_path)
    return Error{at.text() + ": path of a socket is longer than 107 characters", ENAMETOOLONG};
  at.unix_path.copy(address.sun_path, at.unix_path.size());
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  // A socket file that nobody answers on is left over from a killed process.
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct stat info {};
  if (::lstat(at.unix_path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
    if (::connect(probe.get(), generic, sizeof address) == 0)
      return system_error(at.text(), EADDRINUSE);
    if (errno == ECONNREFUSED) ::unlink(at.unix_path.c_str());
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  mode_t before = ::umask(static_cast<mode_t>(~rights.mode & 0777U));
  bool bound = fd && ::bind(fd.get(), generic, sizeof address) == 0;
  int error = errno;
  ::umask(before);
  if (!bound) return system_error(at.text(), error);
  if (rights.group)
    if (Status given = give_to_group(at, *rights.group); !given) return given.error();
  if (::listen(fd.get(), kListenBacklog) != 0) return system_error(at.text(), errno);
  return fd.release();
}

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    return ntohl(four.sin_addr.s_addr) >> 24 == 127;
  }
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
  return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr) != 0;
}

// An address the machine does not have may come later: by DHCP, after the detection of duplicates,
// as an address that moves between machines. Linux lets us listen there before, and connections
// come when it does. The loopback's addresses come with the kernel, or never.
bool bind_to(int fd, const sockaddr_storage& address, socklen_t size) {
  const auto* at = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(fd, at, size) == 0) return true;
  if (errno != EADDRNOTAVAIL || is_loopback(address)) return false;
  int on = 1;
  if (::setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) != 0) {
    errno = EADDRNOTAVAIL;
    return false;
  }
  return ::bind(fd, at, size) == 0;
}

}  // namespace

Result<int> bind_listener(const Endpoint& at, const SocketRights& rights) {
  if (!at.unix_path.empty()) return bind_unix(at, rights);
  sockaddr_storage address{};
  if (!fill_address(at, address)) return Error{at.text() + ": not an IP address", EINVAL};
  UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error(at.text(), errno);
  int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // "[::]:25" means IPv6 only; IPv4 has a listener of its own.
  if (address.ss_family == AF_INET6)
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  socklen_t size = address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (!bind_to(fd.get(), address, size) || ::listen(fd.get(), kListenBacklog) != 0)
    return system_error(at.text(), errno);
  return fd.release();
}

Result<Endpoint> bound_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return system_error("address of a socket", errno);
  if (address.ss_family != AF_UNIX) return endpoint_of(address);
  const auto& local = reinterpret_cast<const sockaddr_un&>(address);
  std::size_t length = ::strnlen(local.sun_path, size - offsetof(sockaddr_un, sun_path));
  if (length == 0) return Error{"a Unix socket without a path", EINVAL};
  return Endpoint{"", 0, std::string(local.sun_path, length)};
}

Endpoint canonical(const Endpoint& endpoint) {
  sockaddr_storage address{};
  return endpoint.unix_path.empty() && fill_address(endpoint, address) ? endpoint_of(address)
                                                                       : endpoint;
}

}  // namespace postwain::net
