#include "common/sandbox/attempts.h"

#include <cerrno>
#include <csignal>
#include <cstdint>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/sandbox/network_attempts.h"

namespace postwain::sandbox {

namespace {

bool can_open(const std::string& path, int flags) {
  return static_cast<bool>(UniqueFd(::open(path.c_str(), flags | O_CLOEXEC, 0600)));
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
bool makes_namespace(const Targets&) {
  return ::unshare(CLONE_NEWUSER) == 0;
}
// Without its libc wrapper: the flags are what counts. A child that comes of it ends at once.
bool clones_namespace(const Targets&) {
  long pid = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) ::_exit(0);
  if (pid > 0) ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return pid > 0;
}
bool makes_ring(const Targets&) {
  char parameters[120] = {};  // struct io_uring_params
  return static_cast<bool>(
      UniqueFd(static_cast<int>(::syscall(SYS_io_uring_setup, 4, parameters))));
}
bool handles_faults(const Targets&) {
  return static_cast<bool>(UniqueFd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC))));
}
// A program is loaded for the kernel, or is found wrong by its verifier.
bool loads_kernel_code(const Targets&) {
  char attributes[128] = {};
  return ::syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, attributes, sizeof attributes) >= 0 ||
         errno == EINVAL;
}
bool uses_keyrings(const Targets&) {
  constexpr int kGetKeyringId = 0;
  constexpr int kProcessKeyring = -2;
  return ::syscall(SYS_keyctl, kGetKeyringId, kProcessKeyring, 1) >= 0;
}
bool changes_personality(const Targets&) {
  return ::personality(ADDR_NO_RANDOMIZE) != -1;
}
// Whoever owns a descriptor lets the kernel send signals for it.
bool sends_signals_by_owner(const Targets&) {
  return ::fcntl(STDIN_FILENO, F_SETOWN, ::getppid()) == 0;
}

bool nobody(Profile, bool) {
  return false;
}
// What neither seccomp nor Landlock can tell from what is needed: rights of files stand there.
bool anybody(Profile, bool) {
  return true;
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
  return p == Profile::receiver || p == Profile::asker || p == Profile::relay || senders(p, false);
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
      {"owner", "signal it by a descriptor", sends_signals_by_owner, launchers},
      {"memory", "read the memory of others", reads_memory, same_user},
      {"code", "bring code of its own", runs_own_code, launchers},
      {"personality", "change how code is run", changes_personality, launchers},
      {"mount", "mount a file system", mounts, nobody},
      {"namespace", "make a namespace", makes_namespace, nobody},
      {"clone", "make one with a process", clones_namespace, nobody},
      {"ring", "make an io_uring", makes_ring, nobody},
      {"faults", "handle page faults", handles_faults, nobody},
      {"bpf", "load code into the kernel", loads_kernel_code, nobody},
      {"keys", "use the kernel's keyrings", uses_keyrings, launchers},
      {"raw", "read packets of others", sniffs, nobody},
      {"network", "use the network", uses_network, networked},
      {"listen", "listen at a port", opens_port, launchers},
      {"unbound", "listen without a port named", listens_unbound, launchers},
      {"connect", "connect to a mail server", connects_anywhere, senders},
      {"mptcp", "… by MPTCP", connects_by_mptcp, launchers},
      {"fastopen", "… by fast open, sendto", fast_open_by_sendto, launchers},
      {"fastmsg", "… by fast open, sendmsg", fast_open_by_sendmsg, launchers},
      {"fastmmsg", "… by fast open, sendmmsg", fast_open_by_sendmmsg, launchers},
      {"fastoption", "… by fast open, its option", fast_open_by_option, launchers},
      {"protocols", "use SCTP, SMC and the like", uses_other_protocols, launchers},
      {"ulp", "load a protocol over TCP", loads_upper_protocol, launchers},
      {"datagrams", "send UDP to any port", sends_datagrams, networked},
      {"abstract", "reach an abstract socket", reaches_abstract_socket, launchers},
      {"unix", "look for Unix sockets", reaches_unix_sockets, anybody},
  };
  return all;
}

int attempt(std::string_view name, const Targets& targets) {
  for (const Attempt& one : attempts())
    if (one.name == name) return one.succeeds(targets) ? kAttemptSucceeded : kAttemptFailed;
  return kAttemptUnknown;
}

void attempt_from(std::size_t first, const Targets& targets, int report) {
  for (std::size_t i = first; i < attempts().size(); ++i) {
    int came_of_it = attempts()[i].succeeds(targets) ? kAttemptSucceeded : kAttemptFailed;
    if (!write_all(report, std::to_string(came_of_it))) return;
  }
}

}  // namespace postwain::sandbox
