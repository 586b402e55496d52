#include "common/tls/client_sessions.h"

#include <openssl/ssl.h>

#include "common/base/check.h"

namespace postwain::tls {

namespace {

int sessions_slot() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

void free_name(void*, void* name, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::string*>(name);
}

int name_slot() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_name);
  return index;
}

std::string name_of(const SSL* ssl) {
  const auto* name = static_cast<const std::string*>(SSL_get_ex_data(ssl, name_slot()));
  return name != nullptr ? *name : std::string();
}

}  // namespace

ClientSessions::~ClientSessions() {
  for (const Kept& one : kept_) SSL_SESSION_free(one.session);
}

void ClientSessions::serve(ssl_ctx_st* ctx) {
  PW_CHECK(SSL_CTX_set_ex_data(ctx, sessions_slot(), this) == 1);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, &ClientSessions::on_new);
}

ClientSessions* ClientSessions::of(ssl_st* ssl) {
  return static_cast<ClientSessions*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessions_slot()));
}

void ClientSessions::name(ssl_st* ssl, const std::string& name) {
  auto* kept = new std::string(name);
  if (SSL_set_ex_data(ssl, name_slot(), kept) != 1) delete kept;
}

void ClientSessions::forget(ssl_st* ssl) {
  ClientSessions* own = of(ssl);
  if (own == nullptr) return;
  auto known = own->by_name_.find(name_of(ssl));
  if (known == own->by_name_.end()) return;
  SSL_SESSION_free(known->second->session);
  own->kept_.erase(known->second);
  own->by_name_.erase(known);
}

// OpenSSL's contract: 1, and the session is ours.
int ClientSessions::on_new(ssl_st* ssl, ssl_session_st* session) noexcept {
  ClientSessions* own = of(ssl);
  std::string name = name_of(ssl);
  if (own == nullptr || name.empty() || SSL_SESSION_is_resumable(session) != 1) return 0;
  own->keep(name, session);
  return 1;
}

void ClientSessions::keep(const std::string& name, ssl_session_st* session) {
  auto known = by_name_.find(name);
  if (known != by_name_.end()) {
    SSL_SESSION_free(known->second->session);
    kept_.erase(known->second);
  }
  kept_.push_front({name, session});
  by_name_[name] = kept_.begin();
  if (kept_.size() <= kClientSessionsMax) return;
  SSL_SESSION_free(kept_.back().session);
  by_name_.erase(kept_.back().name);
  kept_.pop_back();
}

// A copy, since OpenSSL lets a session of TLS 1.3 serve once only.
bool ClientSessions::offer(ssl_st* ssl) {
  auto known = by_name_.find(name_of(ssl));
  if (known == by_name_.end()) return false;
  SSL_SESSION* copy = SSL_SESSION_dup(known->second->session);
  if (copy == nullptr) return false;
  bool offered = SSL_set_session(ssl, copy) == 1;
  SSL_SESSION_free(copy);
  return offered;
}

}  // namespace postwain::tls
