#include <catch2/catch.hpp>

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "postwain/process/role_bundle.h"
#include "postwain/process/spawn.h"
#include "postwain/supervisor/folders.h"

using namespace postwain;
using namespace postwain::tool;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    read = UniqueFd(ends[0]);
    write = UniqueFd(ends[1]);
  }
  UniqueFd read;
  UniqueFd write;
};

int wait_for(pid_t pid) {
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return status;
}

// What the shell says with these descriptors as 3, 4, …
std::string shell(const std::string& script, std::vector<int> descriptors, Pipe& out) {
  descriptors.push_back(out.write.get());
  auto pid = spawn(Program{"/bin/sh", {"sh", "-c", script}, descriptors, {}});
  REQUIRE(pid.ok());
  out.write.reset();
  auto said = read_small_fd(out.read.get());
  wait_for(*pid);
  return said ? *said : said.error().text;
}

}  // namespace

TEST_CASE("a program gets exactly its descriptors, in order") {
  Pipe in;
  Pipe out;
  REQUIRE(write_all(in.write.get(), "bundle").ok());
  in.write.reset();
  UniqueFd stray(::open("/dev/null", O_RDONLY));  // not CLOEXEC: it must not get through
  CHECK(shell("cat <&3 >&4; ls /proc/self/fd >&4; kill -0 $$ && echo done >&4", {in.read.get()},
              out) == "bundle0\n1\n2\n3\n4\n5\ndone\n");
}

TEST_CASE("a program that cannot be started says why") {
  auto missing = spawn(Program{"/nonexistent/x", {"x"}, {}, {}});
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().text == "/nonexistent/x: No such file or directory");
  auto folder = spawn(Program{"/tmp", {"x"}, {}, {}});
  REQUIRE_FALSE(folder.ok());
  CHECK(folder.error().code == EACCES);
}

TEST_CASE("children do not outlive a supervisor that was killed") {
  Pipe pipe;
  pid_t supervisor = ::fork();
  REQUIRE(supervisor >= 0);
  if (supervisor == 0) {
    auto child = spawn(Program{"/bin/sleep", {"sleep", "60"}, {pipe.write.get()}, {}});
    pid_t pid = child ? *child : 0;
    (void)!::write(pipe.write.get(), &pid, sizeof pid);
    ::pause();
    ::_exit(0);
  }
  pipe.write.reset();
  pid_t child = 0;
  REQUIRE(::read(pipe.read.get(), &child, sizeof child) == sizeof child);
  REQUIRE(child > 0);
  ::kill(supervisor, SIGKILL);
  wait_for(supervisor);
  // The child held the other end; it reads as ended when the child is gone.
  char byte = 0;
  CHECK(::read(pipe.read.get(), &byte, 1) == 0);
}

TEST_CASE("a bundle that nobody can change") {
  config::Bundle bundle{"m", {{"m", "x = 1"}}};
  auto fd = sealed_bundle(bundle);
  REQUIRE(fd.ok());
  CHECK(::write(fd->get(), "x", 1) < 0);
  CHECK(::ftruncate(fd->get(), 0) < 0);
  auto bytes = read_small_fd(fd->get());
  REQUIRE(bytes.ok());
  CHECK(config::decode_bundle(*bytes)->files == bundle.files);
}

TEST_CASE("one supervisor for one runtime_dir") {
  char folder[] = "/tmp/pw-lock-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  auto first = lock_runtime_dir(folder);
  REQUIRE(first.ok());
  auto second = lock_runtime_dir(folder);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().text == fmt::format("postwain already runs here: {}/postwain.lock is held "
                                           "by process {}",
                                           folder, ::getpid()));
  first->reset();
  CHECK(lock_runtime_dir(folder).ok());
  ::unlink((std::string(folder) + "/postwain.lock").c_str());
  ::rmdir(folder);
}
