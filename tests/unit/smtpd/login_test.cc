// Logging in: who is locked out when, and the users file behind a session on a real loop.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "smtpd/login_guard.h"
#include "smtpd/trace_field.h"
#include "smtpd/users_login.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace std::chrono_literals;
using namespace std::string_literals;

TEST_CASE("failed logins lock a network out, and time lets it in again", "[login]") {
  LoginGuard guard(3, 1h);
  MonoTime now{};
  now += 24h;
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(guard.locked("a", now));
    guard.failed("a", now);
  }
  CHECK(guard.locked("a", now));
  CHECK_FALSE(guard.locked("b", now));
  CHECK(guard.locked("a", now + 19min));
  CHECK_FALSE(guard.locked("a", now + 21min));
  guard.failed("a", now + 21min);
  CHECK(guard.locked("a", now + 21min));
  CHECK_FALSE(guard.locked("a", now + 2h));
  guard.failed("b", now + 3h);
  CHECK(guard.networks() == 1);  // "a" has been forgiven
}

TEST_CASE("the networks that are remembered are bounded", "[login]") {
  LoginGuard guard(1, 1h);
  MonoTime now{};
  now += 24h;
  for (std::size_t i = 0; i < LoginGuard::kNetworksMax + 10; ++i)
    guard.failed(std::to_string(i), now);
  CHECK(guard.networks() == LoginGuard::kNetworksMax);
}

TEST_CASE("what counts as one network", "[login]") {
  CHECK(login_network("192.0.2.77") == "192.0.2.0/24");
  CHECK(login_network("2001:db8:1:2ff:3::4") == "2001:db8:1:200::/56");
  CHECK(login_network("") == "");
}

TEST_CASE("a Received protocol of an authenticated client", "[login]") {
  CHECK(protocol_name(smtp::kSmtp, true, true, false, true) == "ESMTPSA");
  CHECK(protocol_name(smtp::kSmtp, true, false, false, true) == "ESMTPA");
  CHECK(protocol_name(smtp::kSmtp, true, true, true, true) == "UTF8SMTPSA");
}

namespace {

struct Desk {
  net::Loop loop;
  UsersLogin backend;
  std::unique_ptr<Login> login;
  std::vector<LoginStep> steps;

  explicit Desk(const char* users) : backend(loop, sasl::parse_users(users).users) {}
  LoginStep respond(std::optional<std::string> text) {
    std::size_t before = steps.size();
    login->respond(std::move(text));
    net::Timer timer(loop);
    timer.repeat(1ms, [&] {
      if (steps.size() > before) loop.stop();
    });
    if (steps.size() == before) loop.run();
    return steps.back();
  }
  void begin(const char* mechanism) {
    login = backend.begin({mechanism, "192.0.2.1", true, {"binding", {}, {}}},
                          [this](const LoginStep& step) { steps.push_back(step); });
  }
  LoginStep::Kind plain(const std::string& user, const std::string& password) {
    begin("PLAIN");
    return respond("\0"s + user + "\0"s + password).kind;
  }
};

}  // namespace

TEST_CASE("PLAIN against every scheme", "[login]") {
  using Kind = LoginStep::Kind;
  Desk desk(
      "clear:{PLAIN}secret\n"
      "crypt:{SHA256-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5\n"
      "scram:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
      "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  CHECK(desk.backend.mechanisms(true) == "PLAIN LOGIN");
  CHECK(desk.plain("clear", "secret") == Kind::success);
  CHECK(desk.steps.back().text == "clear");
  CHECK(desk.plain("clear", "Secret") == Kind::failure);
  CHECK(desk.plain("crypt", "Hello world!") == Kind::success);
  CHECK(desk.plain("crypt", "secret") == Kind::failure);
  CHECK(desk.plain("scram", "pencil") == Kind::success);
  CHECK(desk.plain("scram", "pen") == Kind::failure);
  CHECK(desk.plain("nobody", "secret") == Kind::failure);
  CHECK(desk.plain("nobody", "Hello world!") == Kind::failure);
}

TEST_CASE("SCRAM asks an unknown name the same questions each time", "[login]") {
  Desk desk("clear:{PLAIN}secret\n");
  CHECK(desk.backend.mechanisms(true) == "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
  CHECK(desk.backend.mechanisms(false) == "SCRAM-SHA-256 PLAIN LOGIN");
  auto salt_of = [&](const std::string& user) {
    desk.begin("SCRAM-SHA-256");
    LoginStep step = desk.respond("n,,n=" + user + ",r=abc");
    REQUIRE(step.kind == LoginStep::Kind::challenge);
    return step.text.substr(step.text.find(",s="));
  };
  CHECK(salt_of("nobody") == salt_of("nobody"));
  CHECK(salt_of("clear") == salt_of("clear"));
  CHECK(salt_of("clear") != salt_of("nobody"));
  CHECK(salt_of("clear").size() == salt_of("nobody").size());
}

TEST_CASE("a login that is given up while its hash is computed", "[login]") {
  Desk desk("clear:{PLAIN}secret\n");
  desk.begin("PLAIN");
  desk.login->respond("\0clear\0secret"s);
  desk.login.reset();
  CHECK(desk.plain("clear", "secret") == LoginStep::Kind::success);
  CHECK(desk.steps.size() == 1);
}
