// How the client of a session logs in (RFC 4954): exchanges between the client and a login backend,
// one after the other, each from AUTH to its last reply. Here stand the lock-out of addresses
// (LoginGuard), the turns of accounts that many networks try (AccountGuard), and the delay before
// the reply to a wrong password. Lines and base64 are the engine's business.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/mail/reply.h"
#include "common/net/loop.h"
#include "smtpd/login/login.h"
#include "smtpd/login/login_guard.h"
#include "smtpd/session/shared.h"

namespace postwain::smtpd {

class LoginDialog {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The reply to AUTH, or to the client's next line: 334 with a challenge, 235, or a refusal. One
    // for each begin() that returned false and each respond(), from inside of them or later; none
    // after give_up().
    virtual void login_answered(const mail::Reply& reply) = 0;
    // The reply is held back for a time. It comes by itself.
    virtual void login_delayed() = 0;
    // The client is that account; login_answered() follows.
    virtual void logged_in(const std::string& account) = 0;
    // Name or password were wrong; reply is what they would be told. login_answered() follows.
    virtual void login_failed(const mail::Reply& reply) = 0;
  };

  LoginDialog(const Shared& shared, Owner& owner) : shared_(shared), owner_(owner) {}
  LoginDialog(const LoginDialog&) = delete;
  LoginDialog& operator=(const LoginDialog&) = delete;

  // Whom the client's certificate makes it; it may be one of these by EXTERNAL.
  void certify(std::vector<std::string> accounts) { certified_ = std::move(accounts); }
  // For the hello: "PLAIN LOGIN EXTERNAL".
  std::string mechanisms(bool tls) const;

  // AUTH has come while no exchange is open. False: it is refused, and the reply has been given.
  bool begin(LoginRequest request);
  bool is_open() const { return login_ != nullptr; }
  // What the client said, decoded; nothing: AUTH without initial response. Only while is_open().
  void respond(const std::optional<std::string>& response);
  // The backend has been silent for too long: the client is told to try again later.
  void no_answer();
  // The engine has ended the exchange and given the reply: cancelled, or no base64. That may be so
  // before begin(), where the initial response is no base64.
  void ended_by_engine(const std::string& client, const std::string& mechanism,
                       const mail::Reply& reply);
  // The client is gone, or has given the exchange up.
  void give_up();

 private:
  void step_came(const LoginStep& step);
  bool waits_for_turn(const LoginStep& step);
  void go_on(const LoginStep& step);
  bool is_locked(const LoginStep& step) const;
  void refuse_locked(const std::string& account);
  void refuse_for_now(const std::string& account);
  void succeed(const std::string& account);
  void fail(const std::string& who);
  void fail_for_now(const std::string& why);
  void answer_later(const mail::Reply& reply);
  void forget();

  const Shared& shared_;
  Owner& owner_;
  std::vector<std::string> certified_;
  LoginRequest request_;             // of the exchange that is open, or was last
  std::unique_ptr<Login> login_;     // null: no exchange is open
  LoginGuard::Attempt attempt_;      // what login_ counts as
  std::optional<net::Timer> delay_;  // while a reply is held back
  std::string asked_about_;          // an answer has left that depends on this account
  bool waited_ = false;              // its turn (AccountGuard) has come
  bool tells_ = false;               // its step tells something of the password
};

}  // namespace postwain::smtpd
