#include "smtpd/session/login_dialog.h"

#include <utility>

#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/login/external_login.h"

namespace postwain::smtpd {

namespace {

const mail::Reply& locked_out() {
  static const mail::Reply kReply{
      454, {4, 7, 0}, "Too many failed logins from your network, try later"};
  return kReply;
}

const mail::Reply& wrong() {
  static const mail::Reply kReply{535, {5, 7, 8}, "Authentication credentials invalid"};
  return kReply;
}

}  // namespace

std::string LoginDialog::mechanisms(bool tls) const {
  std::string offered;
  if (shared_.logins != nullptr) offered = shared_.logins->mechanisms(tls);
  if (!certified_.empty()) offered += offered.empty() ? "EXTERNAL" : " EXTERNAL";
  return offered;
}

bool LoginDialog::begin(LoginRequest request) {
  request_ = std::move(request);
  if (shared_.guard != nullptr)
    attempt_ = shared_.guard->begin(request_.client, shared_.loop.now());
  if (attempt_.is_refused()) {
    shared_.count(ipc::Counted::logins_locked);
    log::Line(log::Level::info, "login_locked").kv("client", request_.client);
    owner_.login_answered(locked_out());
    return false;
  }
  asked_about_.clear();
  waited_ = false;
  auto on_step = [this](const LoginStep& step) { step_came(step); };
  if (request_.mechanism == "EXTERNAL" && !certified_.empty())
    login_ = std::make_unique<ExternalLogin>(certified_, on_step);
  else if (shared_.logins != nullptr)
    login_ = shared_.logins->begin(request_, on_step);
  if (login_) return true;
  attempt_ = {};
  owner_.login_answered({504, {5, 5, 4}, "Unrecognized authentication mechanism"});
  return false;
}

void LoginDialog::respond(const std::optional<std::string>& response) {
  login_->respond(response);
}

// Comes from inside respond() or later. The login may be destroyed here.
void LoginDialog::step_came(const LoginStep& step) {
  if (!waits_for_turn(step)) go_on(step);
}

void LoginDialog::no_answer() {
  step_came({LoginStep::Kind::trouble, "no answer in time"});
}

// Whether an answer that tells something of a password has to wait for its turn, because many
// networks try this account. A challenge that comes first tells nothing of it yet.
bool LoginDialog::waits_for_turn(const LoginStep& step) {
  bool verdict = step.kind == LoginStep::Kind::success || step.kind == LoginStep::Kind::failure;
  std::string account = login_ ? login_->account() : std::string();
  if (verdict && !step.text.empty()) account = step.text;
  tells_ = verdict || (step.kind == LoginStep::Kind::challenge && !asked_about_.empty());
  if (step.kind == LoginStep::Kind::challenge) asked_about_ = account;
  if (shared_.accounts == nullptr || !tells_ || waited_ || account.empty()) return false;
  waited_ = true;
  auto wait = shared_.accounts->wait(account, login_network(request_.client), shared_.loop.now());
  if (wait && *wait == Duration{}) return false;
  if (!wait) {
    refuse_for_now(account);
    return true;
  }
  delay_.emplace(shared_.loop);
  delay_->start(*wait, [this, step = step]() mutable {
    LoginStep kept = std::move(step);  // the timer, and this with it, may go
    go_on(kept);
  });
  owner_.login_delayed();
  return true;
}

// Whether the client's address is locked out and this account is none that may go on there. Asked
// where the answer would tell something of the password, and behind the wait for its turn: so a
// right password and a wrong one look the same. Who it is about is not known between two steps of
// Dovecot's, so there only PLAIN and LOGIN go on, whose challenges tell nothing.
bool LoginDialog::is_locked(const LoginStep& step) const {
  if (!attempt_.is_for_known()) return false;
  if (step.kind == LoginStep::Kind::success)
    return !attempt_.may_succeed(step.text, shared_.loop.now());
  if (step.kind != LoginStep::Kind::challenge) return false;
  if (tells_) return !attempt_.may_succeed(asked_about_, shared_.loop.now());
  return asked_about_.empty() && request_.mechanism != "PLAIN" && request_.mechanism != "LOGIN";
}

void LoginDialog::go_on(const LoginStep& step) {
  if (is_locked(step))
    return refuse_locked(step.kind == LoginStep::Kind::success ? step.text : asked_about_);
  if (step.kind != LoginStep::Kind::challenge) asked_about_.clear();
  // The step may be part of the login, which these end.
  std::string text = step.text;
  switch (step.kind) {
    case LoginStep::Kind::challenge:
      return owner_.login_answered({334, {}, std::move(text)});
    case LoginStep::Kind::success:
      return succeed(text);
    case LoginStep::Kind::failure:
      return fail(text);
    case LoginStep::Kind::trouble:
      return fail_for_now(text);
  }
}

void LoginDialog::succeed(const std::string& account) {
  attempt_.succeeded(account, shared_.loop.now());
  shared_.count(ipc::Counted::logins);
  if (shared_.accounts != nullptr)
    shared_.accounts->succeeded(account, login_network(request_.client), shared_.loop.now());
  log::Line(log::Level::info, "login")
      .kv("client", request_.client)
      .kv("account", account)
      .kv("mechanism", request_.mechanism);
  login_.reset();
  owner_.logged_in(account);
  owner_.login_answered({235, {2, 7, 0}, "Authentication successful"});
}

void LoginDialog::fail(const std::string& who) {
  shared_.count(ipc::Counted::logins_failed);
  log::Line(log::Level::info, "login_failed")
      .kv("client", request_.client)
      .kv("account", who)
      .kv("mechanism", request_.mechanism);
  owner_.login_failed(wrong());
  login_.reset();
  // Where only known accounts may go on, nobody learns from a reply which ones those are.
  const mail::Reply& reply = attempt_.is_for_known() ? locked_out() : wrong();
  attempt_.failed(who, shared_.loop.now());
  if (shared_.accounts != nullptr && !who.empty())
    shared_.accounts->failed(who, shared_.loop.now());
  answer_later(reply);
}

void LoginDialog::fail_for_now(const std::string& why) {
  shared_.count(ipc::Counted::logins_trouble);
  log::Line(log::Level::warning, "login_trouble").kv("client", request_.client).kv("reason", why);
  login_.reset();
  attempt_ = {};
  owner_.login_answered({454, {4, 7, 0}, "Temporary authentication failure"});
}

// Too many wait for the same account.
void LoginDialog::refuse_for_now(const std::string& account) {
  shared_.count(ipc::Counted::logins_locked);
  log::Line(log::Level::info, "login_locked").kv("client", request_.client).kv("account", account);
  forget();
  owner_.login_answered({454, {4, 7, 0}, "Too many failed logins to this account, try later"});
}

void LoginDialog::refuse_locked(const std::string& account) {
  shared_.count(ipc::Counted::logins_locked);
  log::Line(log::Level::info, "login_locked").kv("client", request_.client).kv("account", account);
  forget();
  answer_later(locked_out());
}

void LoginDialog::forget() {
  login_.reset();
  attempt_ = {};
  asked_about_.clear();
}

// The reply waits: guessing must take time, and the session is busy meanwhile.
void LoginDialog::answer_later(const mail::Reply& reply) {
  delay_.emplace(shared_.loop);
  delay_->start(shared_.config.auth.failure_delay, [this, reply = reply]() mutable {
    mail::Reply kept = std::move(reply);  // the timer, and this with it, may go
    owner_.login_answered(kept);
  });
  owner_.login_delayed();
}

// What a client sends that is no base64 is told, too: nobody was asked then.
void LoginDialog::ended_by_engine(const std::string& client, const std::string& mechanism,
                                  const mail::Reply& reply) {
  bool cancelled = reply.enhanced == mail::EnhancedCode{5, 7, 0};
  if (!cancelled && asked_about_.empty())
    log::Line(log::Level::info, "login_failed")
        .kv("client", client)
        .kv("account", login_ ? login_->account() : std::string())
        .kv("mechanism", mechanism)
        .kv("reply", reply.one_line());
  give_up();
}

// Cancelled, malformed, or the connection ended, behind an answer that depends on the account:
// whoever does that may be asking who has one, and leaves a trace like other failures.
void LoginDialog::give_up() {
  delay_.reset();
  login_.reset();
  std::string account = std::exchange(asked_about_, {});
  LoginGuard::Attempt attempt = std::exchange(attempt_, {});
  if (account.empty()) return;
  shared_.count(ipc::Counted::logins_failed);
  log::Line(log::Level::info, "login_failed")
      .kv("client", request_.client)
      .kv("account", account)
      .kv("mechanism", request_.mechanism)
      .kv("reason", "given up by the client");
  attempt.failed(account, shared_.loop.now());
}

}  // namespace postwain::smtpd
