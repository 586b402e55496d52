#include "postwain/process/spawn.h"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::tool {

namespace {

constexpr int kFirstDescriptor = 3;
constexpr int kParking = 512;  // above every descriptor a child gets

// Everything the child needs, laid out before the fork: between fork and exec only calls that are
// safe in a signal handler are allowed.
struct Prepared {
  const Program* program;
  int binary;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  int report;  // gets the errno when it goes wrong
  pid_t parent;
};

[[noreturn]] void give_up(const Prepared& prepared) {
  int number = errno;
  [[maybe_unused]] ssize_t n = ::write(prepared.report, &number, sizeof number);
  ::_exit(127);
}

void place_descriptors(Prepared& prepared) {
  const std::vector<int>& wanted = prepared.program->descriptors;
  // First out of the way, then down to their places: a place may be another one's source.
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (::dup3(wanted[i], kParking + static_cast<int>(i), O_CLOEXEC) < 0) give_up(prepared);
  int report = kParking + static_cast<int>(wanted.size());
  int binary = report + 1;
  if (::dup3(prepared.report, report, O_CLOEXEC) < 0) give_up(prepared);
  if (::dup3(prepared.binary, binary, O_CLOEXEC) < 0) give_up(prepared);
  prepared.report = report;
  prepared.binary = binary;
  // Ours is out of the way by now, where it was wanted as a descriptor as well.
  if (::dup2(prepared.program->standard_error, STDERR_FILENO) < 0) give_up(prepared);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (::dup2(kParking + static_cast<int>(i), kFirstDescriptor + static_cast<int>(i)) < 0)
      give_up(prepared);
  int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  // Whatever our own parent left open in us is nothing for them either.
  unsigned first_unwanted = static_cast<unsigned>(kFirstDescriptor) + wanted.size();
  if (::close_range(first_unwanted, ~0U, CLOSE_RANGE_CLOEXEC) != 0) give_up(prepared);
}

void take_identity(const Prepared& prepared) {
  if (prepared.program->identity && !assume(*prepared.program->identity)) give_up(prepared);
}

[[noreturn]] void become(Prepared& prepared) {
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::umask(077);
  place_descriptors(prepared);
  take_identity(prepared);
  // After the change of user, which would clear it. The parent may have died in between.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(prepared);
  if (::getppid() != prepared.parent) ::_exit(127);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(prepared);
  ::execve(prepared.program->path.c_str(), prepared.arguments.data(), prepared.environment.data());
  // The new user may have no way to the folder of the binaries (a checkout below /root); the
  // descriptor was opened before.
  if (errno == EACCES)
    ::execveat(prepared.binary, "", prepared.arguments.data(), prepared.environment.data(),
               AT_EMPTY_PATH);
  give_up(prepared);
}

}  // namespace

Result<pid_t> spawn(const Program& program) {
  PW_CHECK(program.descriptors.size() < 256);
  UniqueFd binary(::open(program.path.c_str(), O_PATH | O_CLOEXEC));
  if (!binary) return system_error(program.path, errno);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe", errno);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  Prepared prepared{&program, binary.get(), {}, {}, write_end.get(), ::getpid()};
  for (const std::string& argument : program.arguments)
    prepared.arguments.push_back(const_cast<char*>(argument.c_str()));
  prepared.arguments.push_back(nullptr);
  for (const std::string& variable : program.environment)
    prepared.environment.push_back(const_cast<char*>(variable.c_str()));
  prepared.environment.push_back(nullptr);
  pid_t pid = ::fork();
  if (pid < 0) return system_error("fork", errno);
  if (pid == 0) become(prepared);
  write_end.reset();
  // The end of the pipe closes at exec; a number in it says why there was none.
  auto report = read_small_fd(read_end.get(), sizeof(int));
  if (!report || report->empty()) return pid;
  int number = 0;
  report->copy(reinterpret_cast<char*>(&number), sizeof number);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return system_error(program.path, number);
}

}  // namespace postwain::tool
