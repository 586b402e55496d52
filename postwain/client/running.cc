#include "postwain/client/running.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/sysexits.h"

namespace postwain::tool {

namespace {

// By their numbers: the header of glibc 2.36 has them for C only.
int open_process(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

int send_term(int process) {
  return ::syscall(SYS_pidfd_send_signal, process, SIGTERM, nullptr, 0) == 0 ? 0 : errno;
}

// Of the first byte. Asked with F_RDLCK only a lock for writing is told, which needs the right to
// write to the file.
struct flock first_byte(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  return lock;
}

// The end of the other side is the order to go.
[[noreturn]] void serve_signal(int end, int process) {
  for (char order = 0;;) {
    ssize_t n = ::read(end, &order, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n != 1) ::_exit(0);
    int number = send_term(process);
    if (::send(end, &number, sizeof number, MSG_NOSIGNAL) != sizeof number) ::_exit(0);
  }
}

Status signal_error(int number) {
  if (number == 0 || number == ESRCH) return {};
  if (number == EPERM)
    return Error{
        "postwain's queue manager cannot pass the stop on at the moment, and then only "
        "root and the user who has started postwain may end it",
        kExitNoPermission};
  return Error{system_error("the supervisor cannot be told to stop", number).text, kExitOsError};
}

}  // namespace

std::string lock_file(const std::string& runtime_dir) {
  return runtime_dir + "/postwain.lock";
}

Status mark_running(int lock) {
  struct flock mark = first_byte(F_WRLCK);
  if (::fcntl(lock, F_SETLK, &mark) == 0) return {};
  return system_error("postwain.lock", errno);
}

std::optional<pid_t> running_supervisor(const std::string& runtime_dir) {
  UniqueFd fd(
      ::open(lock_file(runtime_dir).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  // Another name of a file that somebody else locks would lead to him.
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1)
    return std::nullopt;
  struct flock asked = first_byte(F_RDLCK);
  if (::fcntl(fd.get(), F_GETLK, &asked) != 0 || asked.l_type == F_UNLCK) return std::nullopt;
  return asked.l_pid > 0 ? asked.l_pid : 0;
}

std::optional<SupervisorStop> SupervisorStop::prepare(const std::string& runtime_dir) {
  std::optional<pid_t> pid = running_supervisor(runtime_dir);
  if (!pid) return std::nullopt;
  SupervisorStop out;
  if (*pid > 0) out.process_ = UniqueFd(open_process(*pid));
  if (!out.process_)
    out.unseen_ = *pid == 0 ? "postwain runs in another container, and is to be stopped there"
                            : system_error("the supervisor cannot be found", errno).text;
  // It may have ended, and its number be somebody else's now.
  if (out.process_ && running_supervisor(runtime_dir) != pid) return std::nullopt;
  if (out.process_ && ::geteuid() == 0) out.keep_rights();
  return out;
}

void SupervisorStop::keep_rights() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  pid_t pid = ::fork();
  if (pid == 0) {
    ours.reset();
    serve_signal(theirs.get(), process_.get());
  }
  if (pid < 0) return;
  helper_ = pid;
  helper_end_ = std::move(ours);
}

SupervisorStop::SupervisorStop(SupervisorStop&& other) noexcept
    : process_(std::move(other.process_)),
      unseen_(std::move(other.unseen_)),
      helper_end_(std::move(other.helper_end_)),
      helper_(std::exchange(other.helper_, 0)) {}

SupervisorStop::~SupervisorStop() {
  helper_end_.reset();
  while (helper_ > 0 && ::waitpid(helper_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Status SupervisorStop::send() {
  if (!process_) return Error{unseen_, kExitTempFail};
  if (!helper_end_) return signal_error(send_term(process_.get()));
  int number = EIO;
  bool told = ::send(helper_end_.get(), "s", 1, MSG_NOSIGNAL) == 1 &&
              ::read(helper_end_.get(), &number, sizeof number) == sizeof number;
  return signal_error(told ? number : EIO);
}

bool SupervisorStop::wait_until_gone(Duration at_most) const {
  pollfd end{process_.get(), POLLIN, 0};
  const MonoTime until = mono_now() + at_most;
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - mono_now()).count();
    int ready = ::poll(&end, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace postwain::tool
