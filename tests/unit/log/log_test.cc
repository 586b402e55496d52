#include "common/log/log.h"

#include <string>

#include <catch2/catch.hpp>

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
  log::setup("smtpd[0]", log::Format::text, log::Level::info);
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
  log::setup("qmgr", log::Format::json, log::Level::info);
  std::string line = captured(
      [] { log::Line(log::Level::warning, "x").kv("text", "say \"hi\"\n\\").kv("n", -1); });
  CHECK(line.find(R"("text":"say \"hi\"\\x0a\\\\","n":-1})") != std::string::npos);
}

TEST_CASE("lines below the level are not made") {
  log::setup("qmgr", log::Format::text, log::Level::warning);
  CHECK(captured([] { log::Line(log::Level::info, "x").kv("a", "b"); }).empty());
}
