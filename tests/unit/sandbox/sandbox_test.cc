// Each test confines a process of its own: what is given up is given up for good.
#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/sandbox/attempts.h"
#include "common/sandbox/calls.h"
#include "common/sandbox/files.h"
#include "common/sandbox/refusals.h"

using namespace postwain;
using namespace postwain::sandbox;

namespace {

constexpr int kNotConfined = 99;

// The wait status of a child that does this.
template <class Work>
int status_of(Work work) {
  pid_t pid = fork();
  if (pid == 0) _exit(work());
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  return status;
}

bool ended_with(int status, int code) {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/postwain-sandbox-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() {
    if (std::system(("rm -rf " + path).c_str()) != 0) WARN("left " << path);
  }
  std::string file(const std::string& name) const {
    UniqueFd fd(open((path + "/" + name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    REQUIRE(write_all(fd.get(), "content"));
    return path + "/" + name;
  }
  std::string path;
};

int try_as(Profile profile, bool strict, std::string_view name, const Targets& targets) {
  return status_of([&] {
    if (profile != Profile::launcher && !confine_files(Reach{})) return kNotConfined;
    if (!confine_calls(profile, strict)) return kNotConfined;
    return attempt(name, targets);
  });
}

}  // namespace

TEST_CASE("a confined process fails where an unconfined one succeeds") {
  Folder folder;
  Targets targets{folder.path, {folder.file("key")}};
  // What succeeds here without a sandbox, so that the failures below prove something.
  std::vector<std::string> possible;
  for (const Attempt& one : attempts()) {
    int status = status_of([&] { return attempt(one.name, targets); });
    if (ended_with(status, kAttemptSucceeded)) possible.emplace_back(one.name);
  }
  for (const char* name :
       {"users", "queue", "secrets", "write", "program", "exec", "code", "network", "listen"})
    CHECK(std::find(possible.begin(), possible.end(), name) != possible.end());

  for (Profile profile : {Profile::receiver, Profile::sender, Profile::queue, Profile::watcher,
                          Profile::asker, Profile::relay, Profile::keeper})
    for (bool strict : {false, true})
      for (const Attempt& one : attempts()) {
        CAPTURE(static_cast<int>(profile), strict, one.name);
        // What is part of its work needs a reach that fits; here nothing may be reached.
        if (one.is_allowed(profile, true)) continue;
        int status = try_as(profile, strict, one.name, targets);
        CHECK((ended_with(status, kAttemptFailed) ||
               (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)));
      }
}

TEST_CASE("programs that a launcher starts are as free as it is, but for what nobody does") {
  Targets targets{"/tmp", {}};
  CHECK(ended_with(try_as(Profile::launcher, true, "program", targets), kAttemptSucceeded));
  CHECK(ended_with(try_as(Profile::launcher, true, "mount", targets), kAttemptFailed));
  CHECK(ended_with(try_as(Profile::launcher, true, "trace", targets), kAttemptFailed));
}

TEST_CASE("a call that is not foreseen fails, and where strict ends the process") {
  auto unusual = [](bool strict) {
    return status_of([strict] {
      if (!confine_calls(Profile::queue, strict)) return kNotConfined;
      return mkfifo("/nowhere/at/all", 0600) == -1 && errno == EPERM ? 0 : 1;
    });
  };
  CHECK(ended_with(unusual(false), 0));
  int status = unusual(true);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS));
}

TEST_CASE("files: only what was named can be reached") {
  Folder folder;
  REQUIRE(mkdir((folder.path + "/spool").c_str(), 0700) == 0);
  std::string readable = folder.file("readable");
  std::string other = folder.file("other");
  std::string spool = folder.path + "/spool";
  int status = status_of([&] {
    Reach reach;
    reach.read = {readable, folder.path + "/missing"};
    reach.write = {spool};
    auto version = confine_files(reach);
    if (!version) return kNotConfined;
    if (*version == 0) return 0;  // this kernel has no Landlock
    auto opens = [](const std::string& path, int flags) {
      return static_cast<bool>(UniqueFd(open(path.c_str(), flags | O_CLOEXEC, 0600)));
    };
    if (!opens(readable, O_RDONLY) || opens(readable, O_WRONLY)) return 1;
    if (opens(other, O_RDONLY) || opens(folder.path, O_RDONLY)) return 2;
    if (!opens(spool + "/new", O_CREAT | O_RDWR)) return 3;
    if (rename((spool + "/new").c_str(), (spool + "/newer").c_str()) != 0) return 4;
    if (link((spool + "/newer").c_str(), (spool + "/second").c_str()) != 0) return 5;
    if (link(other.c_str(), (spool + "/stolen").c_str()) == 0) return 6;
    if (rename((spool + "/newer").c_str(), (folder.path + "/out").c_str()) == 0) return 7;
    if (truncate(other.c_str(), 0) == 0 && *version >= 3) return 8;
    if (symlink(other.c_str(), (spool + "/trap").c_str()) == 0) return 9;
    if (unlink((spool + "/newer").c_str()) != 0) return 10;
    return 0;
  });
  CHECK(ended_with(status, 0));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("ports: only those that were named are connected to") {
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(listener.get(), 5) == 0);
  REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  auto connects = [&](Reach reach) {
    return WEXITSTATUS(status_of([&] {
      auto version = confine_files(reach);
      if (!version) return kNotConfined;
      if (*version < 4) return 2;  // this kernel knows no ports
      UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 ? 1 : 0;
    }));
  };
  Reach named;
  named.connect_ports = {ntohs(address.sin_port)};
  Reach any;
  any.connect_ports.reset();
  int none = connects(Reach{});
  if (none == 2) return;
  CHECK(none == 0);
  CHECK(connects(named) == 1);
  CHECK(connects(any) == 1);
}

TEST_CASE("threads and heaps live on in a confined process") {
  int status = status_of([] {
    if (!confine_calls(Profile::receiver, true)) return kNotConfined;
    std::thread thread([] { std::vector<char> much(8U << 20, 'x'); });
    thread.join();
    return 0;
  });
  CHECK(ended_with(status, 0));
}

namespace {

// What a child prints to its standard error before it ends.
std::string printed_by(const std::function<int()>& work, int& status) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  status = status_of([&] {
    dup2(write_end.get(), STDERR_FILENO);
    return work();
  });
  write_end.reset();
  return read_small_fd(read_end.get()).take();
}

}  // namespace

TEST_CASE("a refused call is named, once for each, and fails with EPERM") {
  int status = 0;
  std::string printed = printed_by(
      [] {
        if (!report_refusals() || !confine_calls(Profile::queue, false)) return kNotConfined;
        for (int i = 0; i < 3; ++i)
          if (mkfifo("/nowhere/at/all", 0600) != -1 || errno != EPERM) return 1;
        int done = 0;  // in a thread as well
        std::thread([&] { done = socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM; }).join();
        return done == 1 ? 0 : 2;
      },
      status);
  CHECK(ended_with(status, 0));
  CHECK(printed == refusal_line(SYS_mknodat) + "\n" + refusal_line(SYS_socket) + "\n");
  CHECK(refused_call(refusal_line(SYS_socket)) == "socket");
  CHECK(refused_call(refusal_line(462)) == "mseal");
  CHECK(refused_call(refusal_line(511)) == "511");
  CHECK_FALSE(refused_call("socket").has_value());
  CHECK(refused_call("the sandbox refused the system call a\x1b[2Jb") == printable("a\x1b[2Jb"));
}

TEST_CASE(
    "where libraries may do without a call they hear that there is none, and nobody is told") {
  int status = 0;
  std::string printed = printed_by(
      [] {
        if (!report_refusals() || !confine_calls(Profile::sender, false)) return kNotConfined;
        char parameters[128] = {};
        for (long call : {425L, 426L, 427L})  // io_uring_setup, _enter, _register
          if (syscall(call, 1, parameters, 0, 0, 0, 0) != -1 || errno != ENOSYS) return 1;
        for (long call : {435L, 437L, 451L, 462L})  // clone3, openat2, cachestat, mseal
          if (syscall(call, 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS) return 2;
        UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int on = 1;
        if (setsockopt(fd.get(), IPPROTO_TCP, 30, &on, sizeof on) != -1 || errno != ENOPROTOOPT)
          return 3;
        sockaddr_in to{};
        to.sin_family = AF_INET;
        auto* any = reinterpret_cast<sockaddr*>(&to);
        if (sendto(fd.get(), "x", 1, MSG_FASTOPEN, any, sizeof to) != -1 || errno != EOPNOTSUPP)
          return 4;
        return 0;
      },
      status);
  CHECK(status == 0);
  CHECK(printed.empty());
}

TEST_CASE("no ring can be made from the very beginning") {
  auto makes_one = [](bool early) {
    return status_of([early] {
      if (early && !refuse_rings()) return kNotConfined;
      char parameters[120] = {};
      UniqueFd ring(static_cast<int>(syscall(SYS_io_uring_setup, 4, parameters)));
      if (ring) return 1;
      return errno == ENOSYS ? 0 : 2;
    });
  };
  int without = makes_one(false);
  CHECK(ended_with(makes_one(true), 0));
  // What proves something, where this kernel has rings at all.
  if (!ended_with(without, 1)) WARN("no io_uring on this machine");
}

TEST_CASE("S11: the ways around the rules for ports and for listening are closed") {
  for (const char* name : {"mptcp", "fastopen", "fastmsg", "fastmmsg", "fastoption", "protocols",
                           "ulp", "unbound", "owner", "namespace", "clone", "ring", "bpf"})
    for (Profile profile :
         {Profile::receiver, Profile::sender, Profile::poster, Profile::queue, Profile::collector,
          Profile::watcher, Profile::asker, Profile::relay, Profile::keeper})
      for (bool strict : {false, true}) {
        CAPTURE(name, static_cast<int>(profile), strict);
        int status = try_as(profile, strict, name, {});
        CHECK((ended_with(status, kAttemptFailed) ||
               (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)));
      }
}

TEST_CASE("one process makes attempt after attempt, and is silent about the one that ends it") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  int status = status_of([&] {
    if (!confine_files(Reach{}) || !confine_calls(Profile::queue, false)) return kNotConfined;
    attempt_from(0, {}, write_end.get());
    return 0;
  });
  write_end.reset();
  std::string report = read_small_fd(read_end.get()).take();
  CHECK((WIFSIGNALED(status) &&
         WTERMSIG(status) == SIGSYS));  // the first that the system ends it for
  CHECK(report.size() < attempts().size());
  CHECK(attempts()[report.size()].name == "exec");
  CHECK(report.find('1') == std::string::npos);
}
