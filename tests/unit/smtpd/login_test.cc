// Logging in: who is locked out when, and the users file behind a session on a real loop.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "smtpd/account_guard.h"
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

  explicit Desk(const char* users, const char* secret = "secret of all")
      : backend(loop, sasl::parse_users(users).users, secret) {}
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

namespace {

// Of two accounts with keys of 5000 iterations and salts of 12 octets, and one of another form.
constexpr const char* kScramUsers =
    "ann:{SCRAM-SHA-256}5000,MDEyMzQ1Njc4OWFi,"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
    "bob:{SCRAM-SHA-256}5000,MDEyMzQ1Njc4OWFj,"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
    "cid:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";

// What SCRAM's first answer says of salt and iterations, and whether it came without the worker.
std::string asked_of(Desk& desk, const std::string& user, bool& at_once) {
  desk.begin("SCRAM-SHA-256");
  std::size_t before = desk.steps.size();
  desk.login->respond("n,,n=" + user + ",r=abc");
  at_once = desk.steps.size() > before;
  if (!at_once) {
    net::Timer timer(desk.loop);
    timer.repeat(1ms, [&] {
      if (desk.steps.size() > before) desk.loop.stop();
    });
    desk.loop.run();
  }
  REQUIRE(desk.steps.back().kind == LoginStep::Kind::challenge);
  return desk.steps.back().text.substr(desk.steps.back().text.find(",s="));
}

}  // namespace

TEST_CASE("S9: SCRAM tells no account by its salt, its iterations or the way its keys are made",
          "[login]") {
  Desk here(kScramUsers);
  Desk there(kScramUsers);  // another process, or the same after a restart
  Desk strange(kScramUsers, "another installation's");
  bool at_once = false;
  for (const char* user : {"ann", "nobody", "else"}) {
    INFO(user);
    std::string asked = asked_of(here, user, at_once);
    CHECK(at_once);
    CHECK(asked.size() == std::string(",s=MDEyMzQ1Njc4OWFi,i=5000").size());
    CHECK(asked.substr(asked.size() - 7) == ",i=5000");
    CHECK(asked_of(there, user, at_once) == asked);
  }
  CHECK(asked_of(here, "nobody", at_once) != asked_of(here, "else", at_once));
  CHECK(asked_of(here, "nobody", at_once) != asked_of(strange, "nobody", at_once));
  // Where the keys of one account have to be made, everybody's answer takes that work.
  Desk mixed((kScramUsers + std::string("dan:{PLAIN}pw\n")).c_str());
  for (const char* user : {"ann", "dan", "nobody"}) {
    INFO(user);
    std::string asked = asked_of(mixed, user, at_once);
    CHECK_FALSE(at_once);
    CHECK(asked.substr(asked.size() - 7) == ",i=5000");
    CHECK(asked.size() == std::string(",s=MDEyMzQ1Njc4OWFi,i=5000").size());
  }
  CHECK(mixed.login->account() == "nobody");
}

TEST_CASE("S19: guessing at one account from many networks gets an answer now and then",
          "[login]") {
  AccountGuard guard;
  MonoTime now{24h};
  guard.succeeded("ann", "home", now);
  int answers = 0;
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto wait = guard.wait("ann", "net " + std::to_string(i), now);
    if (wait) {
      ++answers;
      CHECK(*wait <= AccountGuard::kWaitMax);
      guard.failed("ann", now);
    } else {
      ++refused;
    }
  }
  CHECK(answers < 30);
  CHECK(refused == 10'000 - answers);
  // He himself does not wait where he has been before, and nobody else has to.
  CHECK(guard.wait("ann", "home", now) == Duration{});
  CHECK(guard.wait("bob", "net 1", now) == Duration{});
  // Within an hour of guessing as fast as it goes.
  answers = 0;
  for (int second = 0; second < 3600; ++second) {
    now += 1s;
    if (guard.wait("ann", "net", now)) {
      ++answers;
      guard.failed("ann", now);
    }
  }
  CHECK(answers < 600);
  // And it is forgiven.
  now += 24h * 30;
  CHECK(guard.wait("ann", "far away", now) == Duration{});
}

TEST_CASE("S19: the accounts that are remembered are bounded; the one under attack stays",
          "[login]") {
  AccountGuard guard;
  MonoTime now{24h};
  for (int i = 0; i < 20; ++i) guard.failed("ann", now);
  for (std::size_t i = 0; i < 3 * AccountGuard::kAccountsMax; ++i) {
    guard.failed(std::to_string(i), now);
    if (i % 1000 == 0) (void)guard.wait("ann", "somewhere", now + 1h);
  }
  CHECK(guard.accounts() == AccountGuard::kAccountsMax);
  CHECK(guard.wait("ann", "elsewhere", now + 61min) > Duration{});
}
