#include "common/log/log.h"

#include <string>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace postwain;

namespace {

// What the lines written by fn are on stderr.
template <class Fn>
std::string captured(Fn fn) {
  int pipe_fds[2];
  REQUIRE(::pipe(pipe_fds) == 0);
  int saved = ::dup(STDERR_FILENO);
  ::dup2(pipe_fds[1], STDERR_FILENO);
  fn();
  log::flush();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(pipe_fds[1]);
  std::string text(65536, 0);
  ssize_t size = ::read(pipe_fds[0], text.data(), text.size());
  ::close(pipe_fds[0]);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

std::string without_time(const std::string& line) {
  return line.substr(line.find(' ') + 1);
}

}  // namespace

TEST_CASE("one event is one line whatever a peer says") {
  log::setup("smtpd[0]", {});
  std::string line = captured([] {
    log::Line(log::Level::info, "refused")
        .kv("from", "a@b")
        .kv("reply", "550 no\r\n2026 forged line")
        .kv("helo", "a=b\"c")
        .kv("empty", "")
        .kv("size", 42)
        .kv("tls", true);
  });
  std::string pid = std::to_string(::getpid());
  CHECK(without_time(line) ==
        "smtpd[0][" + pid +
            "] info refused from=a@b reply=\"550 no\\x0d\\x0a2026 forged line\" "
            "helo=\"a=b\\\"c\" empty=\"\" size=42 tls=true\n");
}

TEST_CASE("JSON lines stay JSON") {
  log::setup("qmgr", {.format = log::Format::json});
  std::string line = captured(
      [] { log::Line(log::Level::warning, "x").kv("text", "say \"hi\"\n\\").kv("n", -1); });
  CHECK(line.find(R"("text":"say \"hi\"\\x0a\\\\","n":-1})") != std::string::npos);
}

TEST_CASE("lines below the level are not made") {
  log::setup("qmgr", {.level = log::Level::warning});
  CHECK(captured([] { log::Line(log::Level::info, "x").kv("a", "b"); }).empty());
}

namespace {

// A log daemon of our own.
class Daemon {
 public:
  Daemon() {
    char name[] = "/tmp/postwain-log-XXXXXX";
    folder_ = mkdtemp(name);
    listen();
  }
  ~Daemon() {
    stop();
    ::rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/socket"; }
  void listen() {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  void stop() {
    ::close(fd_);
    ::unlink(path().c_str());
  }
  std::vector<std::string> received() {
    std::vector<std::string> all;
    std::string buffer(65536, 0);
    ssize_t size;
    while ((size = ::recv(fd_, buffer.data(), buffer.size(), 0)) > 0)
      all.push_back(buffer.substr(0, static_cast<std::size_t>(size)));
    return all;
  }

 private:
  std::string folder_;
  int fd_ = -1;
};

struct BackToNormal {
  ~BackToNormal() { log::setup("test", {}); }
};

}  // namespace

TEST_CASE("syslog gets severity, facility mail and a tag; no time or level twice") {
  BackToNormal after;
  Daemon daemon;
  REQUIRE(log::setup("smtpd[0]", {.target = log::Target::syslog, .socket = daemon.path()}));
  log::Line(log::Level::info, "accepted").kv("id", "X1").kv("from", "a b");
  log::Line(log::Level::error, "store_broken").kv("code", 11);
  auto all = daemon.received();
  REQUIRE(all.size() == 2);
  CHECK(all[0].substr(0, 4) == "<22>");
  CHECK(all[1].substr(0, 4) == "<19>");
  std::string pid = std::to_string(::getpid());
  CHECK(all[0].find(" postwain/smtpd[0][" + pid + "]: accepted id=X1 from=\"a b\"\n") == 19);
  CHECK(all[1].find("]: store_broken code=11\n") != std::string::npos);
}

TEST_CASE("the journal gets each value as a field, and no value can make another") {
  BackToNormal after;
  Daemon daemon;
  REQUIRE(log::setup("qmgr", {.target = log::Target::journal, .socket = daemon.path()}));
  log::Line(log::Level::warning, "deferred")
      .kv("id", "X1")
      .kv("reply", "451 no\nPRIORITY=0\nMESSAGE=forged")
      .kv("attempts", 3);
  auto all = daemon.received();
  REQUIRE(all.size() == 1);
  std::string pid = std::to_string(::getpid());
  CHECK(all[0] ==
        "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postwain/qmgr\nSYSLOG_PID=" + pid +
            "\nMESSAGE=deferred id=X1 reply=\"451 no\\x0aPRIORITY=0\\x0aMESSAGE=forged\" "
            "attempts=3\nPOSTWAIN_PROCESS=qmgr\nPOSTWAIN_EVENT=deferred\nPOSTWAIN_ID=X1\n"
            "POSTWAIN_REPLY=451 no\\x0aPRIORITY=0\\x0aMESSAGE=forged\nPOSTWAIN_ATTEMPTS=3\n");
}

TEST_CASE("a log daemon that reads nothing is not waited for, and hears what it missed") {
  BackToNormal after;
  Daemon daemon;
  REQUIRE(log::setup("qmgr", {.target = log::Target::syslog, .socket = daemon.path()}));
  std::string value(500, 'x');
  constexpr int kLines = 3000;  // far more than the socket and our memory hold
  for (int i = 0; i < kLines; ++i) log::Line(log::Level::info, "many").kv("n", i).kv("v", value);
  std::size_t seen = 0;
  std::uint64_t dropped = 0;
  for (int i = 0; i < 2000 && dropped == 0; ++i) {
    for (const std::string& line : daemon.received()) {
      seen += line.find("]: many ") != std::string::npos;
      std::size_t at = line.find("log_dropped lines=");
      if (at != std::string::npos) dropped = std::stoull(line.substr(at + 18));
    }
    log::flush();
  }
  CHECK(dropped > 0);
  CHECK(seen + dropped == kLines);
}

TEST_CASE("a log daemon that was started again is found again") {
  BackToNormal after;
  Daemon daemon;
  REQUIRE(log::setup("qmgr", {.target = log::Target::syslog, .socket = daemon.path()}));
  log::Line(log::Level::info, "before").kv("is", 1);
  CHECK(daemon.received().size() == 1);
  daemon.stop();
  log::Line(log::Level::info, "between").kv("is", 2);
  daemon.listen();
  for (int i = 0; i < 300 && daemon.received().empty(); ++i) {
    log::flush();
    ::usleep(10'000);
    if (i % 10 == 0) log::Line(log::Level::info, "after");
  }
  log::Line(log::Level::info, "last").kv("is", 3);
  CHECK_FALSE(daemon.received().empty());
}

TEST_CASE("without a log daemon standard error serves") {
  BackToNormal after;
  bool reached = true;
  std::string text = captured([&] {
    reached = log::setup("qmgr", {.target = log::Target::journal, .socket = "/nowhere/socket"});
    log::Line(log::Level::info, "x").kv("a", "b");
  });
  CHECK_FALSE(reached);
  CHECK(text.find(" info x a=b\n") != std::string::npos);
  CHECK(text.find("POSTWAIN_") == std::string::npos);
}

TEST_CASE("a pipe that nobody reads is not waited for") {
  BackToNormal after;
  log::setup("qmgr", {});
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  int saved = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  log::make_standard_error_patient();
  std::string value(500, 'x');
  constexpr int kLines = 3000;
  for (int i = 0; i < kLines; ++i) log::Line(log::Level::info, "many").kv("n", i).kv("v", value);
  // Whoever shares the pipe still has it as it was.
  CHECK((::fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  std::string all;
  std::string buffer(65536, 0);
  for (int i = 0; i < 2000 && all.find("log_dropped") == std::string::npos; ++i) {
    ssize_t size;
    while ((size = ::read(ends[0], buffer.data(), buffer.size())) > 0)
      all.append(buffer, 0, static_cast<std::size_t>(size));
    log::flush();
  }
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(ends[0]);
  ::close(ends[1]);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = all.find(" many n=", at)) != std::string::npos; ++at) ++lines;
  std::size_t at = all.find("log_dropped lines=");
  REQUIRE(at != std::string::npos);
  CHECK(lines + std::stoull(all.substr(at + 18)) == kLines);
}
