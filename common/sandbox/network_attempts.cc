#include "common/sandbox/network_attempts.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::sandbox {

namespace {

constexpr std::uint16_t kSmtpPort = 25;
constexpr std::uint16_t kDiscardPort = 9;
constexpr int kMptcp = 262;

struct Address {
  explicit Address(std::uint16_t port) {
    inet.sin_family = AF_INET;
    inet.sin_port = htons(port);
    inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  sockaddr* any() { return reinterpret_cast<sockaddr*>(&inet); }
  sockaddr_in inet{};
};

UniqueFd open_socket(int family, int type, int protocol = 0) {
  return UniqueFd(::socket(family, type | SOCK_CLOEXEC, protocol));
}

// Refused by somebody there, or nobody there: the way is open either way.
bool came_through(long done) {
  return done >= 0 || errno == ECONNREFUSED || errno == EINPROGRESS;
}

bool can_connect(int protocol) {
  UniqueFd fd = open_socket(AF_INET, SOCK_STREAM, protocol);
  Address to(kSmtpPort);
  return fd && came_through(::connect(fd.get(), to.any(), sizeof to.inet));
}

// One message for a TCP socket that is to connect while it sends.
struct FastOpen {
  FastOpen() {
    message.msg_name = &to.inet;
    message.msg_namelen = sizeof to.inet;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
  }
  UniqueFd fd = open_socket(AF_INET, SOCK_STREAM);
  Address to{kSmtpPort};
  char text[4] = "QUI";
  iovec piece{text, sizeof text};
  msghdr message{};
};

bool reaches_path(int type, const char* path) {
  UniqueFd fd = open_socket(AF_UNIX, type);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::string(path).copy(to.sun_path, sizeof to.sun_path - 1);
  if (!fd) return false;
  // Nobody there: it was looked for.
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 || errno == ENOENT ||
         errno == ECONNREFUSED || errno == EPROTOTYPE;
}

}  // namespace

bool sniffs(const Targets&) {
  return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) || open_socket(AF_PACKET, SOCK_RAW);
}

bool uses_network(const Targets&) {
  return open_socket(AF_INET, SOCK_STREAM) || open_socket(AF_INET6, SOCK_DGRAM);
}

bool opens_port(const Targets&) {
  UniqueFd fd = open_socket(AF_INET, SOCK_STREAM);
  Address at(0);
  return fd && ::bind(fd.get(), at.any(), sizeof at.inet) == 0 && ::listen(fd.get(), 1) == 0;
}

bool listens_unbound(const Targets&) {
  UniqueFd fd = open_socket(AF_INET, SOCK_STREAM);
  return fd && ::listen(fd.get(), 1) == 0;
}

bool connects_anywhere(const Targets&) {
  return can_connect(0);
}

bool connects_by_mptcp(const Targets&) {
  return can_connect(kMptcp);
}

bool uses_other_protocols(const Targets&) {
  struct Kind {
    int family;
    int type;
    int protocol;
  };
  for (const Kind& kind : {Kind{AF_INET, SOCK_STREAM, kMptcp}, Kind{AF_INET, SOCK_STREAM, 132},
                           Kind{AF_INET6, SOCK_STREAM, 132}, Kind{AF_INET, SOCK_STREAM, 256},
                           Kind{AF_INET, SOCK_SEQPACKET, 132}, Kind{AF_INET, SOCK_DGRAM, 136},
                           Kind{AF_INET, SOCK_DGRAM, IPPROTO_ICMP}, Kind{AF_VSOCK, SOCK_STREAM, 0},
                           Kind{AF_ALG, SOCK_SEQPACKET, 0}, Kind{AF_INET, 6, 33}})
    if (open_socket(kind.family, kind.type, kind.protocol)) return true;
  return false;
}

bool fast_open_by_sendto(const Targets&) {
  FastOpen one;
  return one.fd && came_through(::sendto(one.fd.get(), one.text, sizeof one.text, MSG_FASTOPEN,
                                         one.to.any(), sizeof one.to.inet));
}

bool fast_open_by_sendmsg(const Targets&) {
  FastOpen one;
  return one.fd && came_through(::sendmsg(one.fd.get(), &one.message, MSG_FASTOPEN));
}

bool fast_open_by_sendmmsg(const Targets&) {
  FastOpen one;
  mmsghdr messages[1] = {};
  messages[0].msg_hdr = one.message;
  return one.fd && came_through(::sendmmsg(one.fd.get(), messages, 1, MSG_FASTOPEN));
}

bool fast_open_by_option(const Targets&) {
  constexpr int kFastOpenConnect = 30;
  UniqueFd fd = open_socket(AF_INET, SOCK_STREAM);
  int on = 1;
  return fd && ::setsockopt(fd.get(), IPPROTO_TCP, kFastOpenConnect, &on, sizeof on) == 0;
}

// Of a socket that is not connected; whoever may ask hears that.
bool loads_upper_protocol(const Targets&) {
  constexpr int kUpperProtocol = 31;
  UniqueFd fd = open_socket(AF_INET, SOCK_STREAM);
  if (!fd) return false;
  return ::setsockopt(fd.get(), IPPROTO_TCP, kUpperProtocol, "tls", 3) == 0 || errno == ENOTCONN ||
         errno == ENOENT;
}

bool sends_datagrams(const Targets&) {
  UniqueFd fd = open_socket(AF_INET, SOCK_DGRAM);
  Address to(kDiscardPort);
  return fd && came_through(::sendto(fd.get(), "x", 1, 0, to.any(), sizeof to.inet));
}

bool reaches_unix_sockets(const Targets&) {
  return reaches_path(SOCK_STREAM, "/nonexistent/socket") || reaches_path(SOCK_DGRAM, "/dev/log");
}

bool reaches_abstract_socket(const Targets& targets) {
  UniqueFd fd = open_socket(AF_UNIX, SOCK_STREAM);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::size_t size = targets.abstract_socket.copy(to.sun_path + 1, sizeof to.sun_path - 1);
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  return fd && size > 0 && ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), length) == 0;
}

}  // namespace postwain::sandbox
