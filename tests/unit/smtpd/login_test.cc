// Logging in: who is locked out when, and the users file behind a session on a real loop.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "smtpd/login/account_guard.h"
#include "smtpd/login/login_guard.h"
#include "smtpd/login/users_login.h"
#include "smtpd/session/trace_field.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

constexpr MonoTime kLoginDay{24h};

// False: it was locked out.
bool fail(LoginGuard& guard, const std::string& client, MonoTime now,
          const std::string& account = "somebody") {
  LoginGuard::Attempt attempt = guard.begin(client, now);
  if (attempt.is_refused()) return false;
  attempt.failed(account, now);
  return true;
}

bool is_locked(LoginGuard& guard, const std::string& client, MonoTime now) {
  return guard.begin(client, now).is_refused();
}

void log_in(LoginGuard& guard, const std::string& client, const std::string& account,
            MonoTime now) {
  LoginGuard::Attempt attempt = guard.begin(client, now);
  REQUIRE_FALSE(attempt.is_refused());
  attempt.succeeded(account, now);
}

}  // namespace

TEST_CASE("failed logins lock an address out, and time lets it in again", "[login]") {
  LoginGuard guard(3, 1h);
  MonoTime now = kLoginDay;
  for (int i = 0; i < 3; ++i) CHECK(fail(guard, "192.0.2.1", now));
  CHECK(is_locked(guard, "192.0.2.1", now));
  CHECK_FALSE(is_locked(guard, "198.51.100.1", now));
  CHECK(is_locked(guard, "192.0.2.1", now + 19min));
  CHECK(fail(guard, "192.0.2.1", now + 21min));
  CHECK(is_locked(guard, "192.0.2.1", now + 21min));
  CHECK_FALSE(is_locked(guard, "192.0.2.1", now + 2h));
  fail(guard, "198.51.100.1", now + 3h);
  CHECK(guard.addresses() == 1);  // the other one has been forgiven
}

TEST_CASE("S19: many attempts at once guess no more than one after the other", "[login]") {
  LoginGuard guard(3, 1h);
  std::vector<LoginGuard::Attempt> under_way;
  int refused = 0;
  for (int i = 0; i < 50; ++i) {
    LoginGuard::Attempt attempt = guard.begin("192.0.2.1", kLoginDay);
    if (attempt.is_refused())
      ++refused;
    else
      under_way.push_back(std::move(attempt));
  }
  CHECK(refused == 47);
  // What ends otherwise (the client is gone, nobody can tell now) does not count, nor a success.
  under_way.pop_back();
  under_way.back().succeeded("ann", kLoginDay);
  under_way.pop_back();
  under_way.back().failed("ann", kLoginDay);
  under_way.pop_back();
  CHECK(fail(guard, "192.0.2.1", kLoginDay));
  CHECK(fail(guard, "192.0.2.1", kLoginDay));
  // Three have failed; the address is known by now, though.
  CHECK(guard.begin("192.0.2.1", kLoginDay).is_for_known());
}

TEST_CASE("S19: one flooder does not lock his neighbours out, a whole network is slowed",
          "[login]") {
  struct {
    const char* flooder;
    const char* neighbour;
  } rows[] = {{"192.0.2.7", "192.0.2.8"}, {"2001:db8:1:200::1", "2001:db8:1:201::1"}};
  for (const auto& row : rows) {
    INFO(row.flooder);
    LoginGuard guard(10, 1h);
    // Half a day of as many attempts as he likes.
    int failures = 0;
    for (int minute = 0; minute < 720; ++minute)
      for (int i = 0; i < 50; ++i)
        failures += fail(guard, row.flooder, kLoginDay + minute * 1min) ? 1 : 0;
    MonoTime now = kLoginDay + 719min;
    CHECK(failures <= 10 + 12 * 10);
    CHECK(is_locked(guard, row.flooder, now));
    CHECK_FALSE(is_locked(guard, row.neighbour, now));
    CHECK(fail(guard, row.neighbour, now));
  }
  // Each of 200 addresses, as often as it goes, for an hour.
  LoginGuard guard(10, 1h);
  log_in(guard, "192.0.2.250", "ann", kLoginDay);
  int failures = 0;
  for (int minute = 0; minute < 60; ++minute)
    for (int host = 1; host <= 200; ++host)
      for (int i = 0; i < 5; ++i)
        failures +=
            fail(guard, "192.0.2." + std::to_string(host), kLoginDay + minute * 1min) ? 1 : 0;
  MonoTime now = kLoginDay + 59min;
  CHECK(failures <= 2 * 10 * static_cast<int>(LoginGuard::kNetworkFactor));
  CHECK(is_locked(guard, "192.0.2.201", now));
  CHECK_FALSE(is_locked(guard, "192.0.3.1", now));
  // Who has logged in there lately does not share the fate of his network.
  CHECK_FALSE(is_locked(guard, "192.0.2.250", now));
  CHECK_FALSE(guard.begin("192.0.2.250", now).is_for_known());
  CHECK(is_locked(guard, "192.0.2.251", now));
}

TEST_CASE("S19: who is known at an address goes on when others have locked it", "[login]") {
  LoginGuard guard(5, 1h);
  MonoTime now = kLoginDay;
  log_in(guard, "192.0.2.1", "ann", now);
  for (int i = 0; i < 5; ++i) CHECK(fail(guard, "192.0.2.1", now));
  LoginGuard::Attempt attempt = guard.begin("192.0.2.1", now);
  CHECK(attempt.is_for_known());
  CHECK(attempt.may_succeed("ann", now));
  CHECK_FALSE(attempt.may_succeed("bob", now));
  CHECK_FALSE(attempt.may_succeed("", now));
  // Her own failures are counted by themselves; those of others there are not hers.
  for (int i = 0; i < 100; ++i) fail(guard, "192.0.2.1", now, "bob");
  CHECK(guard.begin("192.0.2.1", now).may_succeed("ann", now));
  for (int i = 0; i < 5; ++i) fail(guard, "192.0.2.1", now, "ann");
  CHECK_FALSE(guard.begin("192.0.2.1", now).may_succeed("ann", now));
  // Not for ever.
  now += LoginGuard::kKnownFor + 1h;
  for (int i = 0; i < 5; ++i) CHECK(fail(guard, "192.0.2.1", now));
  CHECK(is_locked(guard, "192.0.2.1", now));
}

TEST_CASE("the addresses that are remembered are bounded", "[login]") {
  LoginGuard guard(1, 1h);
  for (std::size_t i = 0; i < LoginGuard::kAddressesMax + 10; ++i)
    fail(guard, std::to_string(i), kLoginDay);
  CHECK(guard.addresses() == LoginGuard::kAddressesMax);
  for (std::size_t i = 0; i < LoginGuard::kKnownMax; ++i)
    guard.begin("b" + std::to_string(i), kLoginDay).succeeded("ann", kLoginDay);
  CHECK(guard.known() == LoginGuard::kKnownMax);
  guard.begin("c", kLoginDay + LoginGuard::kKnownFor + 1h)
      .succeeded("ann", kLoginDay + LoginGuard::kKnownFor + 1h);
  CHECK(guard.known() == 2);
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

struct LoginRig {
  net::Loop loop;
  UsersLogin backend;
  std::unique_ptr<Login> login;
  std::vector<LoginStep> steps;

  explicit LoginRig(const char* users, const char* secret = "secret of all")
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
  LoginRig rig(
      "clear:{PLAIN}secret\n"
      "crypt:{SHA256-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5\n"
      "scram:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
      "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  CHECK(rig.backend.mechanisms(true) == "PLAIN LOGIN");
  CHECK(rig.plain("clear", "secret") == Kind::success);
  CHECK(rig.steps.back().text == "clear");
  CHECK(rig.plain("clear", "Secret") == Kind::failure);
  CHECK(rig.plain("crypt", "Hello world!") == Kind::success);
  CHECK(rig.plain("crypt", "secret") == Kind::failure);
  CHECK(rig.plain("scram", "pencil") == Kind::success);
  CHECK(rig.plain("scram", "pen") == Kind::failure);
  CHECK(rig.plain("nobody", "secret") == Kind::failure);
  CHECK(rig.plain("nobody", "Hello world!") == Kind::failure);
}

TEST_CASE("SCRAM asks an unknown name the same questions each time", "[login]") {
  LoginRig rig("clear:{PLAIN}secret\n");
  CHECK(rig.backend.mechanisms(true) == "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
  CHECK(rig.backend.mechanisms(false) == "SCRAM-SHA-256 PLAIN LOGIN");
  auto salt_of = [&](const std::string& user) {
    rig.begin("SCRAM-SHA-256");
    LoginStep step = rig.respond("n,,n=" + user + ",r=abc");
    REQUIRE(step.kind == LoginStep::Kind::challenge);
    return step.text.substr(step.text.find(",s="));
  };
  CHECK(salt_of("nobody") == salt_of("nobody"));
  CHECK(salt_of("clear") == salt_of("clear"));
  CHECK(salt_of("clear") != salt_of("nobody"));
  CHECK(salt_of("clear").size() == salt_of("nobody").size());
}

TEST_CASE("a login that is given up while its hash is computed", "[login]") {
  LoginRig rig("clear:{PLAIN}secret\n");
  rig.begin("PLAIN");
  rig.login->respond("\0clear\0secret"s);
  rig.login.reset();
  CHECK(rig.plain("clear", "secret") == LoginStep::Kind::success);
  CHECK(rig.steps.size() == 1);
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
std::string asked_of(LoginRig& rig, const std::string& user, bool& at_once) {
  rig.begin("SCRAM-SHA-256");
  std::size_t before = rig.steps.size();
  rig.login->respond("n,,n=" + user + ",r=abc");
  at_once = rig.steps.size() > before;
  if (!at_once) {
    net::Timer timer(rig.loop);
    timer.repeat(1ms, [&] {
      if (rig.steps.size() > before) rig.loop.stop();
    });
    rig.loop.run();
  }
  REQUIRE(rig.steps.back().kind == LoginStep::Kind::challenge);
  return rig.steps.back().text.substr(rig.steps.back().text.find(",s="));
}

}  // namespace

TEST_CASE("S9: SCRAM tells no account by its salt, its iterations or the way its keys are made",
          "[login]") {
  LoginRig here(kScramUsers);
  LoginRig there(kScramUsers);  // another process, or the same after a restart
  LoginRig strange(kScramUsers, "another installation's");
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
  LoginRig mixed((kScramUsers + std::string("dan:{PLAIN}pw\n")).c_str());
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
