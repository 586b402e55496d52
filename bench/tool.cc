#include "bench/tool.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "common/base/sysexits.h"
#include "common/base/text.h"

namespace postwain::bench {

namespace {

constexpr int kBacklog = 4096;

[[noreturn]] void end_with(int status, const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(status);
}

Endpoint unix_endpoint(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    end_with(kExitUsage, "socket path empty or too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Endpoint endpoint;
  endpoint.family = AF_UNIX;
  endpoint.length = sizeof address;
  std::memcpy(endpoint.bytes, &address, sizeof address);
  return endpoint;
}

bool fill_inet(Endpoint& endpoint, const std::string& host, std::uint16_t port) {
  sockaddr_in v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    endpoint.family = AF_INET;
    endpoint.length = sizeof v4;
    std::memcpy(endpoint.bytes, &v4, sizeof v4);
    return true;
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return false;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  endpoint.family = AF_INET6;
  endpoint.length = sizeof v6;
  std::memcpy(endpoint.bytes, &v6, sizeof v6);
  return true;
}

const sockaddr* address_of(const Endpoint& endpoint) {
  return reinterpret_cast<const sockaddr*>(endpoint.bytes);
}

}  // namespace

Options::Options(int argc, char** argv, std::vector<std::string> known,
                 std::vector<std::string> flags, std::string usage)
    : usage_(std::move(usage)) {
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (std::find(flags.begin(), flags.end(), word) != flags.end()) {
      values_[word] = "yes";
    } else if (std::find(known.begin(), known.end(), word) != known.end()) {
      if (i + 1 == argc) fail(word + " needs a value");
      values_[word] = argv[++i];
    } else if (word.starts_with("--")) {
      fail("unknown option " + word);
    } else {
      words_.push_back(std::move(word));
    }
  }
}

std::string Options::text(const std::string& name, const std::string& otherwise) const {
  auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second;
}

std::uint64_t Options::number(const std::string& name, std::uint64_t otherwise) const {
  auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  auto value = parse_decimal<std::uint64_t>(found->second);
  if (!value) fail(name + " needs a number, not " + found->second);
  return *value;
}

void Options::fail(const std::string& why) const {
  end_with(kExitUsage, why + "\n" + usage_);
}

Endpoint parse_endpoint(const std::string& text) {
  if (text.starts_with("unix:")) return unix_endpoint(text.substr(5));
  auto colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  auto port = colon == std::string::npos ? std::nullopt
                                         : parse_decimal<std::uint16_t>(text.substr(colon + 1));
  Endpoint endpoint;
  if (!port || !fill_inet(endpoint, host, *port)) {
    end_with(kExitUsage, "not ADDRESS:PORT or unix:PATH: " + text);
  }
  return endpoint;
}

UniqueFd start_connect(const Endpoint& endpoint) {
  UniqueFd fd(socket(endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  if (endpoint.family != AF_UNIX) {
    set_no_delay(fd.get());
    set_quick_ack(fd.get());
  }
  if (connect(fd.get(), address_of(endpoint), endpoint.length) != 0 && errno != EINPROGRESS) {
    return UniqueFd();
  }
  return fd;
}

UniqueFd listen_on(const Endpoint& endpoint) {
  UniqueFd fd(socket(endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int on = 1;
  if (fd) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!fd || bind(fd.get(), address_of(endpoint), endpoint.length) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    end_with(kExitUnavailable, system_error("listen", errno).text);
  }
  return fd;
}

void set_no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void set_quick_ack(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

Epoll::Epoll() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!fd_) end_with(kExitOsError, system_error("epoll_create1", errno).text);
}

void Epoll::add(int fd, std::uint32_t events, void* owner) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = owner;
  if (epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    end_with(kExitOsError, system_error("epoll_ctl", errno).text);
  }
}

void Epoll::change(int fd, std::uint32_t events, void* owner) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = owner;
  epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event);
}

int Epoll::wait(std::vector<epoll_event>& events, int timeout_ms) {
  int count = epoll_wait(fd_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  return count < 0 ? 0 : count;  // EINTR: a signal has come; the caller looks at its flags.
}

}  // namespace postwain::bench
