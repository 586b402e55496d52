#include "common/exercise/helper.h"

#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace postwain::exercise {

// PR_SET_PDEATHSIG would not do: Landlock keeps a confined process' signals from those outside,
// also the one of its death. So it is a pipe that tells: nobody else has its other end.
Status start_helper(const std::function<void()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe", errno);
  pid_t pid = ::fork();
  if (pid < 0) return system_error("fork", errno);
  if (pid > 0) {
    ::close(ends[0]);
    return {};  // the other end stays open for as long as we live
  }
  ::close(ends[1]);
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(fd);
  std::thread([end = ends[0]] {
    char byte = 0;
    (void)!::read(end, &byte, 1);
    ::_exit(0);
  }).detach();
  work();
  ::_exit(0);
}

Result<Loopback> open_loopback(int type) {
  Loopback out{UniqueFd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)), 0};
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* any = reinterpret_cast<sockaddr*>(&at);
  if (!out.fd || ::bind(out.fd.get(), any, size) != 0 ||
      (type == SOCK_STREAM && ::listen(out.fd.get(), 5) != 0) ||
      ::getsockname(out.fd.get(), any, &size) != 0)
    return system_error("a socket on loopback", errno);
  out.port = ntohs(at.sin_port);
  return out;
}

bool run_for_a_while(net::Loop& loop) {
  constexpr Duration kAtMost = std::chrono::seconds(10);
  bool in_time = true;
  net::Timer timer(loop);
  timer.start(kAtMost, [&] {
    in_time = false;
    loop.stop();
  });
  loop.run();
  return in_time;
}

}  // namespace postwain::exercise
