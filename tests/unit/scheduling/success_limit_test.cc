// How many reports of success a stranger's message may cause.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "common/config/load/bundle.h"
#include "qmgr/verdicts/success_limit.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;

namespace {

mail::Address address(const std::string& text) {
  return mail::Address::from_text(text);
}

const MonoTime kStart = MonoTime(100h);

std::size_t passed(SuccessLimit& limit, const std::string& who, std::size_t tries, MonoTime now) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < tries; ++i) count += limit.pass(address(who), now) ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("S14: reports of success to one reverse-path are limited by the hour") {
  SuccessLimit limit;
  CHECK(passed(limit, "victim@far.test", 1000, kStart) == kSuccessReports.count);
  // However it is written; but not to others.
  CHECK(passed(limit, "Victim@FAR.test", 10, kStart) == 0);
  CHECK(passed(limit, "\"victim\"@far.test.", 10, kStart) == 0);
  CHECK(passed(limit, "other@far.test", 10, kStart) == 10);
  // It fills evenly, so in any hour there are at most twice as many.
  CHECK(passed(limit, "victim@far.test", 1000, kStart + 30min) == kSuccessReports.count / 2);
  CHECK(passed(limit, "victim@far.test", 1000, kStart + 5h) == kSuccessReports.count);
}

TEST_CASE("S14: the table of reverse-paths is bounded and opens no way when it is full") {
  SuccessLimit limit;
  for (std::size_t i = 0; i < kSuccessSendersMax; ++i)
    REQUIRE(limit.pass(address(fmt::format("u{}@far.test", i)), kStart));
  std::size_t count = 0;
  for (std::size_t i = 0; i < 500; ++i)
    count += limit.pass(address(fmt::format("new{}@far.test", i)), kStart) ? 1 : 0;
  CHECK(count == kSuccessReports.count);
  // Who is known keeps his own allowance.
  CHECK(passed(limit, "u7@far.test", 1000, kStart) == kSuccessReports.count - 1);
  CHECK(passed(limit, "late@far.test", 1000, kStart + 3h) == kSuccessReports.count);
}

TEST_CASE("S14: who is a stranger where reports are concerned") {
  config::Loaded loaded = config::parse(config::Bundle{
      "t.toml",
      {{"t.toml", "hostname = \"mx.test\"\n[access]\ntrusted_networks = [\"192.0.2.0/24\"]\n"}}});
  REQUIRE(loaded.diagnostics.empty());
  auto stranger = [&](const char* protocol, const char* client, const char* account) {
    return is_strangers({protocol, client, "hello", account, WallTime{}}, loaded.config.access);
  };
  CHECK(stranger("ESMTP", "198.51.100.1", ""));
  CHECK(stranger("LMTP", "198.51.100.1", ""));
  CHECK(stranger("ESMTP", "", ""));  // a Unix socket is 127.0.0.1, which is not trusted here
  CHECK_FALSE(stranger("ESMTPSA", "198.51.100.1", "ann"));
  CHECK_FALSE(stranger("ESMTP", "192.0.2.9", ""));
  CHECK_FALSE(stranger("local", "", ""));
}
