// The login of a session between a backend and an owner of the test: which reply comes when, and
// what each end counts as.
#include <catch2/catch.hpp>

#include "common/log/log.h"
#include "smtpd/session/login_dialog.h"
#include "tests/unit/smtpd/session_rig.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace std::chrono_literals;

namespace {

// Keeps each step back until the test gives it.
class ScriptedBackend final : public LoginBackend {
 public:
  class Exchange final : public Login {
   public:
    Exchange(ScriptedBackend& backend, std::function<void(const LoginStep&)> on_step)
        : backend_(backend), on_step_(std::move(on_step)) {
      backend_.open = this;
    }
    ~Exchange() override { backend_.open = nullptr; }
    void respond(std::optional<std::string> response) override {
      backend_.responses.push_back(response.value_or("(none)"));
    }
    std::string account() const override { return backend_.account; }
    void step(const LoginStep& step) {
      auto on_step = on_step_;  // the step may destroy this
      on_step(step);
    }

   private:
    ScriptedBackend& backend_;
    std::function<void(const LoginStep&)> on_step_;
  };

  std::string mechanisms(bool tls) const override { return tls ? "PLAIN LOGIN" : ""; }
  std::unique_ptr<Login> begin(const LoginRequest&,
                               std::function<void(const LoginStep&)> on_step) override {
    return std::make_unique<Exchange>(*this, std::move(on_step));
  }
  void step(LoginStep::Kind kind, std::string text) {
    REQUIRE(open != nullptr);
    open->step({kind, std::move(text)});
  }

  Exchange* open = nullptr;
  std::string account;
  std::vector<std::string> responses;
};

struct LoginBench final : LoginDialog::Owner {
  LoginBench() {
    log::setup("test", {.level = log::Level::error});
    config.auth.failure_delay = 10ms;
  }

  void login_answered(const mail::Reply& reply) override { replies.push_back(reply.one_line()); }
  void login_delayed() override { ++delays; }
  void logged_in(const std::string& account) override { accounts.push_back(account); }
  void login_failed(const mail::Reply& reply) override { failures.push_back(reply.one_line()); }

  void begin(const std::string& mechanism = "PLAIN") {
    REQUIRE(dialog.begin({mechanism, "192.0.2.1", true, {}}));
    dialog.respond("secret");
  }
  void turn(Duration time) {
    net::Timer timer(loop);
    timer.start(time, [this] { loop.stop(); });
    loop.run();
  }
  std::uint64_t counted(ipc::Counted what) {
    return numbers[static_cast<std::size_t>(what)] +=
           counters.take()[static_cast<std::size_t>(what)];
  }

  config::Config config = test::test_config();
  net::Loop loop;
  Policy policy{config};
  QueueLink queue_link{loop, "/tmp/pw-login-test-nobody-listens", "smtpd[0]", [] {}};
  ScriptedBackend backend;
  LoginGuard guard{2, 1h};
  AccountGuard account_guard;
  Counters counters;
  ipc::ReceiverNumbers numbers{};
  Shared shared{loop,     config, policy,  queue_link, nullptr,
                &backend, &guard, nullptr, nullptr,    &counters};
  LoginDialog dialog{shared, *this};
  std::vector<std::string> replies;
  std::vector<std::string> accounts;
  std::vector<std::string> failures;
  int delays = 0;
};

using Kind = LoginStep::Kind;
using Replies = std::vector<std::string>;

}  // namespace

TEST_CASE("a login goes on with each response", "[login]") {
  LoginBench bench;
  CHECK(bench.dialog.mechanisms(false).empty());
  CHECK(bench.dialog.mechanisms(true) == "PLAIN LOGIN");
  CHECK_FALSE(bench.dialog.is_open());
  bench.begin("LOGIN");
  CHECK(bench.dialog.is_open());
  CHECK(bench.replies.empty());
  bench.backend.step(Kind::challenge, "Password:");
  CHECK(bench.replies == Replies{"334 Password:"});
  bench.dialog.respond(std::nullopt);
  CHECK(bench.backend.responses == Replies{"secret", "(none)"});
  bench.backend.step(Kind::success, "anna");
  CHECK(bench.accounts == Replies{"anna"});
  CHECK(bench.replies.back() == "235 2.7.0 Authentication successful");
  CHECK_FALSE(bench.dialog.is_open());
  CHECK(bench.backend.open == nullptr);
  CHECK(bench.counted(ipc::Counted::logins) == 1);
  CHECK(bench.delays == 0);
}

TEST_CASE("the reply to a wrong password waits, and the third is locked out", "[login]") {
  LoginBench bench;
  for (std::size_t i = 1; i <= 2; ++i) {
    bench.begin();
    bench.backend.step(Kind::failure, "anna");
    CHECK(bench.delays == static_cast<int>(i));
    CHECK(bench.failures.size() == i);
    CHECK(bench.replies.size() == i - 1);
    bench.turn(50ms);
    REQUIRE(bench.replies.size() == i);
    CHECK(bench.replies.back() == "535 5.7.8 Authentication credentials invalid");
  }
  CHECK(bench.counted(ipc::Counted::logins_failed) == 2);
  CHECK_FALSE(bench.dialog.begin({"PLAIN", "192.0.2.1", true, {}}));
  CHECK(bench.replies.back() == "454 4.7.0 Too many failed logins from your network, try later");
  CHECK_FALSE(bench.dialog.is_open());
}

TEST_CASE("a backend that has no answer", "[login]") {
  LoginBench bench;
  SECTION("and says so") {
    bench.begin();
    bench.backend.step(Kind::trouble, "no such socket");
  }
  SECTION("and says nothing") {
    bench.begin();
    bench.dialog.no_answer();
  }
  CHECK(bench.replies == Replies{"454 4.7.0 Temporary authentication failure"});
  CHECK(bench.backend.open == nullptr);
  CHECK(bench.counted(ipc::Counted::logins_trouble) == 1);
  // It counts as no failure.
  bench.begin();
  bench.backend.step(Kind::success, "anna");
  bench.begin();
  CHECK(bench.counted(ipc::Counted::logins_locked) == 0);
}

TEST_CASE("a login that is given up leaves no reply behind", "[login]") {
  LoginBench bench;
  SECTION("while the backend is asked: nobody has learned anything") {
    bench.begin();
    bench.dialog.give_up();
    CHECK(bench.counted(ipc::Counted::logins_failed) == 0);
  }
  SECTION("after a challenge that depends on the account: as a failure") {
    bench.begin();
    bench.backend.account = "anna";
    bench.backend.step(Kind::challenge, "salt");
    bench.replies.clear();
    bench.dialog.give_up();
    bench.dialog.give_up();
    CHECK(bench.counted(ipc::Counted::logins_failed) == 1);
  }
  SECTION("by the engine, for the client cancelled it") {
    bench.begin();
    bench.backend.account = "anna";
    bench.backend.step(Kind::challenge, "salt");
    bench.replies.clear();
    bench.dialog.ended_by_engine("192.0.2.1", "PLAIN",
                                 {501, {5, 7, 0}, "Authentication cancelled"});
    CHECK(bench.counted(ipc::Counted::logins_failed) == 1);
  }
  SECTION("while the reply is held back") {
    bench.begin();
    bench.backend.step(Kind::failure, "anna");
    bench.dialog.give_up();
  }
  CHECK(bench.backend.open == nullptr);
  CHECK_FALSE(bench.dialog.is_open());
  bench.turn(50ms);
  CHECK(bench.replies.empty());
}

TEST_CASE("answers about an account that many networks try wait for their turn", "[login]") {
  LoginBench bench;
  bench.shared.guard = nullptr;
  bench.shared.accounts = &bench.account_guard;
  for (std::uint32_t i = 0; i < AccountGuard::kFree + 1; ++i)
    bench.account_guard.failed("anna", bench.loop.now());
  bench.begin();
  bench.backend.step(Kind::success, "anna");
  CHECK(bench.delays == 1);
  CHECK(bench.replies.empty());
  bench.turn(AccountGuard::kFirstInterval * 3);
  CHECK(bench.replies == Replies{"235 2.7.0 Authentication successful"});
  // Where too many wait already, nobody waits longer.
  while (bench.account_guard.wait("anna", "198.51.100.0", bench.loop.now())) {
  }
  bench.dialog.begin({"PLAIN", "203.0.113.9", true, {}});
  bench.dialog.respond("secret");
  bench.backend.step(Kind::success, "anna");
  CHECK(bench.replies.back() == "454 4.7.0 Too many failed logins to this account, try later");
  CHECK(bench.accounts == Replies{"anna"});
}

TEST_CASE("EXTERNAL is offered to whom a certificate makes an account", "[login]") {
  LoginBench bench;
  CHECK(bench.dialog.mechanisms(true) == "PLAIN LOGIN");
  bench.dialog.certify({"anna", "bob"});
  CHECK(bench.dialog.mechanisms(true) == "PLAIN LOGIN EXTERNAL");
  CHECK(bench.dialog.mechanisms(false) == "EXTERNAL");
  REQUIRE(bench.dialog.begin({"EXTERNAL", "192.0.2.1", true, {}}));
  bench.dialog.respond("bob");
  CHECK(bench.accounts == Replies{"bob"});
  bench.shared.logins = nullptr;
  bench.dialog.certify({});
  CHECK(bench.dialog.mechanisms(true).empty());
  CHECK_FALSE(bench.dialog.begin({"EXTERNAL", "192.0.2.1", true, {}}));
  CHECK(bench.replies.back() == "504 5.5.4 Unrecognized authentication mechanism");
}
