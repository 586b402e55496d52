// A connection's login: between the engine, which carries it, and the exchange, which leads it.
#include "common/agent/connection.h"
#include "common/base/check.h"

namespace postwain::agent {

// A token is fetched by qmgr, which may run what a route names; everything else is at hand.
void Connection::log_in() {
  const mail::Credential& credential = plan_.transport->credential;
  if (credential.kind != mail::Credential::Kind::command) return begin_login({});
  token_request_ =
      services_.sink.request_token(credential.secret, plan_.token_refused,
                                   [this](const ipc::Token& token) { token_came(token); });
}

void Connection::token_came(const ipc::Token& token) {
  token_request_ = 0;
  if (token.token.empty())
    engine_.fail_login({4, 7, 0}, "no token to log in with: " + token.trouble);
  else
    begin_login(token.token);
  pump();
}

void Connection::begin_login(const std::string& token) {
  using Kind = tls::Session::ChannelBinding;
  LoginSession session;
  session.mechanisms = engine_.peer().mechanisms;
  session.tls = channel_->tls_open();
  session.proven =
      session.tls && (plan_.tls == mail::TlsLevel::verify || plan_.tls == mail::TlsLevel::dane);
  session.bindings = {channel_->tls_binding(Kind::exporter), channel_->tls_binding(Kind::unique),
                      channel_->tls_binding(Kind::end_point)};
  session.host = plan_.candidate.host;
  session.port = plan_.candidate.endpoint.port;
  auto login = Login::begin(plan_.transport->credential, token, session);
  if (!login) return engine_.fail_login({4, 7, 0}, login.error().text);
  login_.emplace(login.take());
  engine_.begin_login(login_->mechanism(), login_->exchange().initial());
}

void Connection::answer_challenge(std::string_view challenge) {
  PW_CHECK(login_.has_value());
  auto answer = login_->exchange().respond(challenge);
  if (answer)
    engine_.answer_challenge(*answer);
  else
    engine_.fail_login({4, 7, 0}, login_->exchange().why());
}

void Connection::logged_in() {
  PW_CHECK(login_.has_value());
  bool proven = login_->exchange().may_succeed();
  login_.reset();  // nothing of the secret stays
  if (proven)
    engine_.accept_login();
  else
    engine_.fail_login({4, 7, 0}, "the next hop does not prove that it knows the password");
}

}  // namespace postwain::agent
