// Programs run for what they print.
#include <catch2/catch.hpp>

#include <optional>

#include "common/net/command.h"

using namespace postwain;
using namespace postwain::net;
using namespace std::chrono_literals;

namespace {

Result<std::string> run(const std::vector<std::string>& words, Duration limit = 10s,
                        std::size_t size_max = 1000) {
  Loop loop;
  std::optional<Result<std::string>> got;
  {
    Command command(loop, words, limit, size_max, [&](Result<std::string> result) {
      got.emplace(std::move(result));
      loop.stop();
    });
    CHECK_FALSE(got);  // never at once
    loop.run();
  }
  REQUIRE(got);
  return *std::move(got);
}

std::string trouble(const Result<std::string>& result) {
  return result ? "none" : result.error().text;
}

}  // namespace

TEST_CASE("what a program prints, and what is wrong with it") {
  CHECK(*run({"/bin/sh", "-c", "echo one; echo two >&2; echo three"}) == "one\nthree\n");
  CHECK(run({"/bin/true"})->empty());
  CHECK(*run({"/bin/cat"}) == "");  // its standard input is empty
  CHECK(trouble(run({"/bin/sh", "-c", "echo x; exit 3"})) == "it ended with 3");
  CHECK(trouble(run({"/bin/sh", "-c", "kill -9 $$"})) == "it ended by signal 9");
  CHECK(trouble(run({"/nowhere"})) == "it cannot be started: no such file or directory");
  CHECK(trouble(run({"/bin/sleep", "100"}, 50ms)) == "it takes too long");
  CHECK(trouble(run({"/usr/bin/yes"}, 10s, 5000)) == "it prints too much");
  // A child of it that keeps the pipe open is not waited for.
  CHECK(trouble(run({"/bin/sh", "-c", "sleep 100 & exit 0"}, 200ms)) == "it takes too long");
}

TEST_CASE("a command that is given up is killed, and says nothing") {
  Loop loop;
  bool told = false;
  {
    Command command(loop, {"/bin/sleep", "100"}, 10s, 10, [&](const auto&) { told = true; });
  }
  Timer timer(loop);
  timer.start(50ms, [&] { loop.stop(); });
  loop.run();
  CHECK_FALSE(told);
}
