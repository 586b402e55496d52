#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/sandbox/refusals.h"
#include "postwain/client/running.h"
#include "postwain/process/end_of_process.h"
#include "postwain/process/error_output.h"
#include "postwain/process/trouble_file.h"
#include "postwain/supervisor/folders.h"
#include "postwain/supervisor/troubles.h"

using namespace postwain;
using namespace postwain::tool;
using namespace std::chrono_literals;

namespace {

const MonoTime kNow = MonoTime{} + 1h;

// As waitpid(2) tells them.
int exited(int code) {
  return code << 8;
}

PrintedLines printed(std::string_view text) {
  PrintedLines out;
  out.take(text, kNow);
  out.take_rest(kNow);
  return out;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("what a process prints comes as lines, however it is cut") {
  PrintedLines lines;
  CHECK(lines.take("one\nt", kNow).size() == 1);
  CHECK(lines.take("wo\n\n\nthree", kNow).front().text == "two");
  CHECK(lines.take_rest(kNow).front().text == "three");
  CHECK(lines.take_rest(kNow).empty());
  CHECK(lines.last() == std::deque<std::string>{"one", "two", "three"});
}

TEST_CASE("a process that prints without end costs little") {
  PrintedLines lines;
  auto long_one = lines.take(std::string(100000, 'x') + "\n", kNow);
  CHECK(long_one.front().text.size() == PrintedLines::kLineMax);
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += std::to_string(i) + "\n";
  auto many = lines.take(flood, kNow);
  auto logged =
      std::count_if(many.begin(), many.end(), [](const auto& l) { return l.to_be_logged; });
  CHECK(logged == PrintedLines::kPerMinute - 1);
  CHECK(lines.last().size() == PrintedLines::kKept);
  CHECK(lines.last().back() == "999");
  CHECK(lines.take("later\n", kNow + 1min).front().to_be_logged);
  std::string refusals;
  for (int i = 0; i < 1000; ++i) refusals += sandbox::refusal_line(1) + "\n";
  lines.take(refusals, kNow);
  CHECK(lines.refused().size() == PrintedLines::kRefusedKept);
}

TEST_CASE("the third death in a row before a process was ready is reported, once") {
  FailedStarts starts;
  CHECK_FALSE(starts.died(false));
  CHECK_FALSE(starts.died(false));
  CHECK(starts.died(false));
  CHECK_FALSE(starts.died(false));
  starts.ready();
  CHECK_FALSE(starts.died(true));
  CHECK_FALSE(starts.died(false));
  CHECK_FALSE(starts.died(false));
  CHECK(starts.died(false));
  CHECK_FALSE(starts.died(true));
  CHECK_FALSE(starts.died(false));
}

TEST_CASE("the end of a process in plain words") {
  CHECK(how_it_ended(exited(3)) == "exit 3");
  CHECK(how_it_ended(SIGSYS) == "signal 31 (Bad system call)");
  CHECK(contains(cause_of_end(SIGSYS, {}).cause, "sandbox"));
  CHECK(contains(cause_of_end(SIGSYS, {}).advice, "postwain selftest"));
  CHECK(contains(cause_of_end(SIGABRT, {}).cause, "crashed"));
  CHECK(contains(cause_of_end(SIGKILL, {}).advice, "dmesg"));
  CHECK(cause_of_end(exited(1), {}).cause.empty());
  CHECK(contains(cause_of_end(exited(78), {}).advice, "postwain check"));
}

TEST_CASE("a call that was refused is the likeliest cause") {
  auto said = printed(
      "the sandbox refused the system call io_uring_enter\n"
      "libuv: io_uring_enter(getevents): Operation not permitted\n");
  EndCause end = cause_of_end(SIGABRT, said);
  CHECK(end.cause == "the sandbox refused it io_uring_enter");
  CHECK(contains(end.advice, "postwain selftest"));
  CHECK(said.last().back() == "libuv: io_uring_enter(getevents): Operation not permitted");
}

TEST_CASE("kind 2: a process that runs out of memory or threads is no riddle") {
  for (const char* text : {"terminate called after throwing an instance of 'std::bad_alloc'\n  "
                           "what():  std::bad_alloc\n",
                           "terminate called after throwing an instance of 'std::system_error'\n"
                           "  what():  Resource temporarily unavailable\n"}) {
    EndCause end = cause_of_end(SIGABRT, printed(text));
    CHECK(contains(end.cause, "memory"));
    CHECK(contains(end.advice, "MemoryMax="));
  }
  CHECK(contains(cause_of_end(SIGKILL, {}).cause, "memory ran out"));
  CHECK(contains(cause_of_end(SIGXFSZ, {}).advice, "LimitFSIZE="));
}

TEST_CASE("kind 2: who ends again and again is reported though it was ready, once in a while") {
  Relapses relapses;
  MonoTime now = kNow;
  CHECK_FALSE(relapses.died(now));
  CHECK_FALSE(relapses.died(now += 4min));
  CHECK(relapses.died(now += 4min));
  CHECK_FALSE(relapses.died(now += 1min));
  CHECK_FALSE(relapses.over(now + 9min));
  CHECK(relapses.over(now + 10min));
  // Accidents far apart are none of it, however many.
  for (int i = 0; i < 20; ++i) CHECK_FALSE(relapses.died(now += 6min));
  // Calm for a while: the next row is news again.
  now += 1h;
  CHECK_FALSE(relapses.died(now));
  CHECK_FALSE(relapses.died(now));
  CHECK(relapses.died(now));
}

TEST_CASE("kind 2: what keeps the queue manager from working is told without it") {
  char name[] = "/tmp/pw-troubles-XXXXXX";
  config::Config config;
  config.runtime_dir = ::mkdtemp(name);
  CHECK(read_troubles(config.runtime_dir).empty());
  write_troubles(config, {"qmgr keeps ending: signal 9", "two\nlines"});
  CHECK(read_troubles(config.runtime_dir) == "qmgr keeps ending: signal 9; two lines");
  write_troubles(config, {});
  CHECK(read_troubles(config.runtime_dir).empty());
  CHECK(std::system(("rm -r " + config.runtime_dir).c_str()) == 0);
}

namespace {

// A process that has the lock of a supervisor until it is told to end.
pid_t pretended_supervisor(const std::string& folder) {
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    ::signal(SIGTERM, SIG_DFL);
    auto lock = lock_runtime_dir(folder);
    bool marked = lock && mark_running(lock->get());
    (void)!::write(ready[1], marked ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  REQUIRE(answer == 'y');
  ::close(ready[0]);
  ::close(ready[1]);
  return pid;
}

int ended_by(pid_t pid) {
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("whether a supervisor runs is what the kernel says, and no number in a file") {
  char name[] = "/tmp/pw-running-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  CHECK_FALSE(running_supervisor(folder));
  {
    // Held by a command that works while Postwain is stopped, with the number of one that lives.
    auto other = lock_runtime_dir(folder);
    REQUIRE(other.ok());
    CHECK_FALSE(running_supervisor(folder));
    CHECK_FALSE(SupervisorStop::prepare(folder));
  }
  pid_t pid = pretended_supervisor(folder);
  CHECK(running_supervisor(folder) == pid);
  REQUIRE(std::system(("ln " + folder + "/postwain.lock " + folder + "/other").c_str()) == 0);
  CHECK_FALSE(running_supervisor(folder));  // a name of somebody else's file leads to nobody
  REQUIRE(::unlink((folder + "/other").c_str()) == 0);
  ::kill(pid, SIGKILL);
  // Ended, and nobody has asked how: its number is still there.
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(running_supervisor(folder));
  CHECK(ended_by(pid) == SIGKILL);
  CHECK(std::system(("rm -r " + folder).c_str()) == 0);
}

TEST_CASE("a supervisor is told to stop without a word with qmgr") {
  char name[] = "/tmp/pw-running-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  pid_t pid = pretended_supervisor(folder);
  {
    auto unused = SupervisorStop::prepare(folder);
    REQUIRE(unused);
    CHECK_FALSE(unused->wait_until_gone(std::chrono::milliseconds(1)));
  }
  CHECK(running_supervisor(folder) == pid);  // who only might have stopped it has not
  auto stop = SupervisorStop::prepare(folder);
  REQUIRE(stop);
  auto moved = std::move(*stop);
  CHECK(moved.send().ok());
  CHECK(ended_by(pid) == SIGTERM);
  CHECK(moved.wait_until_gone(std::chrono::seconds(5)));
  CHECK(moved.send().ok());  // it has gone, which is what was wanted
  CHECK_FALSE(SupervisorStop::prepare(folder));
  CHECK(std::system(("rm -r " + folder).c_str()) == 0);
}

TEST_CASE("a process has crashed when no signal of ours, and nobody's wish, has ended it") {
  for (int number : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS}) {
    CHECK(is_crash(number));
    CHECK(is_crash(number | 0x80));  // with a core file
  }
  for (int number : {SIGKILL, SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGXFSZ})
    CHECK_FALSE(is_crash(number));
  CHECK_FALSE(is_crash(exited(0)));
  CHECK_FALSE(is_crash(exited(70)));
  CHECK_FALSE(is_crash(exited(134)));
}
