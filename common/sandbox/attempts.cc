#include "common/sandbox/attempts.h"

#include <cerrno>
#include <csignal>
#include <cstdint>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::sandbox {

namespace {

bool can_open(const std::string& path, int flags) {
  return static_cast<bool>(UniqueFd(::open(path.c_str(), flags | O_CLOEXEC, 0600)));
}

bool can_listen(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return fd && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
         ::listen(fd.get(), 1) == 0;
}

// Refused by somebody there, or nobody there: the way is open either way.
bool can_connect(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!fd) return false;
  int done = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  return done == 0 || errno == ECONNREFUSED;
}

bool reads_users(const Targets&) {
  return can_open("/etc/passwd", O_RDONLY);
}
bool reads_queue(const Targets& t) {
  return can_open(t.spool_dir, O_RDONLY | O_DIRECTORY);
}
bool writes_files(const Targets&) {
  std::string path = "/tmp/postwain-selftest-" + std::to_string(::getpid());
  if (!can_open(path, O_WRONLY | O_CREAT | O_EXCL)) return false;
  ::unlink(path.c_str());
  return true;
}
bool reads_secrets(const Targets& t) {
  for (const std::string& path : t.secrets)
    if (can_open(path, O_RDONLY)) return true;
  return false;
}
bool runs_program(const Targets&) {
  char* const arguments[] = {const_cast<char*>("true"), nullptr};
  pid_t pid = ::fork();
  if (pid == 0) {
    ::execv("/bin/true", arguments);
    ::_exit(127);
  }
  int status = 0;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}
bool becomes_program(const Targets&) {
  char* const arguments[] = {const_cast<char*>("false"), nullptr};  // its 1 says: succeeded
  ::execv("/bin/false", arguments);
  return false;
}
bool becomes_root(const Targets&) {
  return ::setuid(0) == 0 || ::setgid(0) == 0;
}
bool traces_parent(const Targets&) {
  return ::ptrace(PTRACE_SEIZE, ::getppid(), nullptr, nullptr) == 0;
}
bool signals_parent(const Targets&) {
  return ::kill(::getppid(), 0) == 0;
}
// Where there is no folder: whoever may mount hears that, and nothing is mounted.
bool mounts(const Targets&) {
  return ::mount("none", "/dev/null/nowhere", "tmpfs", 0, nullptr) == 0 || errno != EPERM;
}
bool reads_memory(const Targets&) {
  std::uint64_t word = 0;
  return ::pread(UniqueFd(::open("/proc/1/mem", O_RDONLY)).get(), &word, sizeof word, 4096) > 0 ||
         can_open("/proc/" + std::to_string(::getppid()) + "/environ", O_RDONLY);
}
bool runs_own_code(const Targets&) {
  return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}
bool sniffs(const Targets&) {
  return static_cast<bool>(UniqueFd(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))) ||
         static_cast<bool>(UniqueFd(::socket(AF_PACKET, SOCK_RAW, 0)));
}
bool uses_network(const Targets&) {
  return static_cast<bool>(UniqueFd(::socket(AF_INET, SOCK_STREAM, 0))) ||
         static_cast<bool>(UniqueFd(::socket(AF_INET6, SOCK_DGRAM, 0)));
}
bool opens_port(const Targets&) {
  return can_listen(0);
}
constexpr std::uint16_t kSmtpPort = 25;
bool connects_anywhere(const Targets&) {
  return can_connect(kSmtpPort);
}

bool nobody(Profile, bool) {
  return false;
}
bool launchers(Profile p, bool) {
  return p == Profile::launcher;
}
bool queue_only(Profile p, bool own_user) {
  return p == Profile::queue || (p == Profile::launcher && !own_user);
}
bool same_user(Profile p, bool own_user) {
  return p == Profile::launcher && !own_user;
}
bool senders(Profile p, bool) {
  return p == Profile::sender || p == Profile::poster || p == Profile::launcher;
}
bool networked(Profile p, bool) {
  return p == Profile::receiver || senders(p, false);
}

}  // namespace

const std::vector<Attempt>& attempts() {
  static const std::vector<Attempt> all = {
      {"users", "read the users of the machine", reads_users, launchers},
      {"queue", "read the queue", reads_queue, queue_only},
      {"secrets", "read keys and passwords", reads_secrets, same_user},
      {"write", "write a file elsewhere", writes_files, launchers},
      {"program", "run a program", runs_program, launchers},
      {"exec", "become another program", becomes_program, launchers},
      {"root", "become root", becomes_root, nobody},
      {"trace", "trace its parent", traces_parent, nobody},
      {"signal", "signal its parent", signals_parent, same_user},
      {"memory", "read the memory of others", reads_memory, same_user},
      {"code", "bring code of its own", runs_own_code, launchers},
      {"mount", "mount a file system", mounts, nobody},
      {"raw", "read packets of others", sniffs, nobody},
      {"network", "use the network", uses_network, networked},
      {"listen", "listen at a port", opens_port, launchers},
      {"connect", "connect to a mail server", connects_anywhere, senders},
  };
  return all;
}

int attempt(std::string_view name, const Targets& targets) {
  for (const Attempt& one : attempts())
    if (one.name == name) return one.succeeds(targets) ? kAttemptSucceeded : kAttemptFailed;
  return kAttemptUnknown;
}

}  // namespace postwain::sandbox
