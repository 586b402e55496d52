// The part of a session that logs its client in.
#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/login/certificate_accounts.h"
#include "smtpd/login/external_login.h"
#include "smtpd/session/session.h"

#include <utility>

namespace postwain::smtpd {

namespace {

bool binds(std::string_view mechanism) {
  return mechanism.size() > 5 && mechanism.substr(mechanism.size() - 5) == "-PLUS";
}

const mail::Reply& locked_out() {
  static const mail::Reply kReply{
      454, {4, 7, 0}, "Too many failed logins from your network, try later"};
  return kReply;
}

const mail::Reply& wrong() {
  static const mail::Reply kReply{535, {5, 7, 8}, "Authentication credentials invalid"};
  return kReply;
}

sasl::ChannelBindings bindings_of(const daemon::Channel& channel) {
  using Kind = tls::Session::ChannelBinding;
  return {channel.tls_binding(Kind::exporter), channel.tls_binding(Kind::unique),
          channel.tls_binding(Kind::end_point)};
}

}  // namespace

void Session::look_at_certificate() {
  tls::PeerCertificate certificate = channel_->tls_peer_certificate();
  if (certificate.fingerprint.empty()) return;
  certified_ = accounts_of(shared_.config.auth, certificate);
  const config::Fingerprint* trusted = trusted_as(shared_.config.access, certificate);
  if (trusted != nullptr) {
    client_.trusted = true;
    client_.trusted_by = trusted->origin;
  }
  log::Line(log::Level::info, "client_certificate")
      .kv("client", client_.address)
      .kv("fingerprint", certificate.fingerprint)
      .kv("verified", certificate.verified)
      .kv("accounts", certified_.size())
      .kv("trusted", trusted != nullptr);
}

void Session::on_auth() {
  if (!login_) {
    if (shared_.guard != nullptr)
      attempt_ = shared_.guard->begin(client_.address, shared_.loop.now());
    if (attempt_.is_refused()) {
      count(ipc::Counted::logins_locked);
      log::Line(log::Level::info, "login_locked").kv("client", client_.address);
      return engine_.answer(locked_out());
    }
    login_asked_about_.clear();
    login_waited_ = false;
    LoginRequest request{engine_.auth_mechanism(), client_.address, engine_.tls(), {}};
    if (binds(request.mechanism)) request.bindings = bindings_of(*channel_);
    auto on_step = [this](const LoginStep& step) { login_step(step); };
    if (request.mechanism == "EXTERNAL" && !certified_.empty())
      login_ = std::make_unique<ExternalLogin>(certified_, on_step);
    else if (shared_.logins != nullptr)
      login_ = shared_.logins->begin(request, on_step);
    else {
      attempt_ = {};
      return engine_.answer({504, {5, 5, 4}, "Unrecognized authentication mechanism"});
    }
  }
  timeout_.enter(SessionTimeout::Phase::waiting, shared_.loop.now());
  login_->respond(engine_.auth_response());
}

// Comes from inside respond() or later. The login may be destroyed here.
void Session::login_step(const LoginStep& step) {
  if (!over_ && !login_waits(step)) login_go_on(step);
}

// Whether an answer that tells something of a password has to wait for its turn, because many
// networks try this account. A challenge that comes first tells nothing of it yet.
bool Session::login_waits(const LoginStep& step) {
  bool verdict = step.kind == LoginStep::Kind::success || step.kind == LoginStep::Kind::failure;
  std::string account = login_ ? login_->account() : std::string();
  if (verdict && !step.text.empty()) account = step.text;
  login_tells_ =
      verdict || (step.kind == LoginStep::Kind::challenge && !login_asked_about_.empty());
  if (step.kind == LoginStep::Kind::challenge) login_asked_about_ = account;
  if (shared_.accounts == nullptr || !login_tells_ || login_waited_ || account.empty())
    return false;
  login_waited_ = true;
  auto wait = shared_.accounts->wait(account, login_network(client_.address), shared_.loop.now());
  if (wait && *wait == Duration{}) return false;
  if (!wait) {
    login_refused_for_now(account);
    return true;
  }
  login_delay_.emplace(shared_.loop);
  login_delay_->start(*wait, [this, step] {
    LoginStep kept = step;  // the timer, and this with it, may go
    if (!over_) login_go_on(kept);
  });
  return true;
}

void Session::login_refused_for_now(const std::string& account) {
  count(ipc::Counted::logins_locked);
  log::Line(log::Level::info, "login_locked").kv("client", client_.address).kv("account", account);
  login_.reset();
  attempt_ = {};
  login_asked_about_.clear();
  engine_.answer({454, {4, 7, 0}, "Too many failed logins to this account, try later"});
  timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
  pump();
}

// Cancelled, malformed, or the connection ended, behind an answer that depends on the account:
// whoever does that may be asking who has one, and leaves a trace like other failures.
void Session::login_given_up() {
  login_.reset();
  std::string account = std::exchange(login_asked_about_, {});
  LoginGuard::Attempt attempt = std::exchange(attempt_, {});
  if (account.empty()) return;
  count(ipc::Counted::logins_failed);
  log::Line(log::Level::info, "login_failed")
      .kv("client", client_.address)
      .kv("account", account)
      .kv("mechanism", engine_.auth_mechanism())
      .kv("reason", "given up by the client");
  attempt.failed(account, shared_.loop.now());
}

// Whether the client's address is locked out and this account is none that may go on there. Asked
// where the answer would tell something of the password, and behind the wait for its turn: so a
// right password and a wrong one look the same. Who it is about is not known between two steps of
// Dovecot's, so there only PLAIN and LOGIN go on, whose challenges tell nothing.
bool Session::login_is_locked(const LoginStep& step) const {
  if (!attempt_.is_for_known()) return false;
  if (step.kind == LoginStep::Kind::success)
    return !attempt_.may_succeed(step.text, shared_.loop.now());
  if (step.kind != LoginStep::Kind::challenge) return false;
  if (login_tells_) return !attempt_.may_succeed(login_asked_about_, shared_.loop.now());
  const std::string& mechanism = engine_.auth_mechanism();
  return login_asked_about_.empty() && mechanism != "PLAIN" && mechanism != "LOGIN";
}

void Session::login_locked(std::string account) {
  count(ipc::Counted::logins_locked);
  log::Line(log::Level::info, "login_locked").kv("client", client_.address).kv("account", account);
  login_.reset();
  attempt_ = {};
  login_asked_about_.clear();
  answer_login_later(locked_out());
}

void Session::login_go_on(const LoginStep& step) {
  if (login_is_locked(step))
    return login_locked(step.kind == LoginStep::Kind::success ? step.text : login_asked_about_);
  if (step.kind != LoginStep::Kind::challenge) login_asked_about_.clear();
  switch (step.kind) {
    case LoginStep::Kind::challenge:
      engine_.answer({334, {}, step.text});
      break;
    case LoginStep::Kind::success:
      attempt_.succeeded(step.text, shared_.loop.now());
      client_.account = step.text;
      count(ipc::Counted::logins);
      if (shared_.accounts != nullptr)
        shared_.accounts->succeeded(client_.account, login_network(client_.address),
                                    shared_.loop.now());
      log::Line(log::Level::info, "login")
          .kv("client", client_.address)
          .kv("account", client_.account)
          .kv("mechanism", engine_.auth_mechanism());
      login_.reset();
      know_client();
      engine_.answer({235, {2, 7, 0}, "Authentication successful"});
      break;
    case LoginStep::Kind::failure:
      return login_failed(std::string(step.text));
    case LoginStep::Kind::trouble:
      count(ipc::Counted::logins_trouble);
      log::Line(log::Level::warning, "login_trouble")
          .kv("client", client_.address)
          .kv("reason", step.text);
      login_.reset();
      attempt_ = {};
      engine_.answer({454, {4, 7, 0}, "Temporary authentication failure"});
      break;
  }
  timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
  pump();
}

// What a client sends that is no base64 is told, too: nobody was asked then.
void Session::auth_over(const mail::Reply& reply) {
  bool cancelled = reply.enhanced == mail::EnhancedCode{5, 7, 0};
  if (!cancelled && login_asked_about_.empty())
    log::Line(log::Level::info, "login_failed")
        .kv("client", client_.address)
        .kv("account", login_ ? login_->account() : std::string())
        .kv("mechanism", engine_.auth_mechanism())
        .kv("reply", reply.one_line());
  login_given_up();
}

void Session::login_failed(const std::string& who) {
  count(ipc::Counted::logins_failed);
  log::Line(log::Level::info, "login_failed")
      .kv("client", client_.address)
      .kv("account", who)
      .kv("mechanism", engine_.auth_mechanism());
  note_refusal("AUTH", wrong(), {}, {}, "login failed");
  login_.reset();
  // Where only known accounts may go on, nobody learns from a reply which ones those are.
  const mail::Reply& reply = attempt_.is_for_known() ? locked_out() : wrong();
  attempt_.failed(who, shared_.loop.now());
  if (shared_.accounts != nullptr && !who.empty())
    shared_.accounts->failed(who, shared_.loop.now());
  answer_login_later(reply);
}

// The reply waits: guessing must take time, and the session is busy meanwhile.
void Session::answer_login_later(const mail::Reply& reply) {
  login_delay_.emplace(shared_.loop);
  login_delay_->start(shared_.config.auth.failure_delay, [this, reply] {
    if (over_) return;
    mail::Reply kept = reply;  // the timer, and this with it, may go
    engine_.answer(kept);
    timeout_.enter(SessionTimeout::Phase::command, shared_.loop.now());
    pump();
  });
}

}  // namespace postwain::smtpd
