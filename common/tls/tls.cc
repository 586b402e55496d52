#include "common/tls/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "common/base/check.h"
#include "common/tls/certificate_choice.h"
#include "common/tls/client_sessions.h"
#include "common/tls/openssl.h"
#include "common/tls/peer_certificate.h"
#include "common/tls/roots.h"
#include "common/tls/session_tickets.h"

namespace postwain::tls {

namespace {

// All of TLS 1.3, those with SHA-256 first: processors have instructions for it, and a handshake
// hashes a lot.
constexpr char kServerSuites[] =
    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";

SSL_CTX* new_context(const SSL_METHOD* method) {
  SSL_CTX* ctx = SSL_CTX_new(method);
  PW_CHECK(ctx != nullptr);
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  return ctx;
}

// Of TLS 1.2. Only with keys of the session alone, so that who gets a certificate's key later
// cannot read what was recorded. AEAD first; CBC stays behind it, for a client that has nothing
// better would send in clear instead.
constexpr char kServerCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!AESCCM";

bool is_address(const std::string& name) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
  ERR_clear_error();
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

int go_on(int, X509_STORE_CTX*) {
  return 1;
}

void count_message(int sent, int, int type, const void*, std::size_t, SSL*, void* counter) {
  if (sent == 0 && type == SSL3_RT_HANDSHAKE) ++*static_cast<std::uint32_t*>(counter);
}

}  // namespace

Context::Context(ssl_ctx_st* ctx, PeerProof proof) : ctx_(ctx), proof_(proof) {}

Result<std::shared_ptr<Context>> Context::server(std::string_view certificate,
                                                 std::string_view key) {
  ServerSettings settings;
  settings.pairs.push_back({certificate, key});
  return server(settings);
}

Result<std::shared_ptr<Context>> Context::server(const ServerSettings& settings) {
  std::shared_ptr<Context> context(new Context(new_context(TLS_server_method()), PeerProof::none));
  SSL_CTX* ctx = context->ctx_;
  SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
  PW_CHECK(SSL_CTX_set_ciphersuites(ctx, kServerSuites) == 1);
  PW_CHECK(SSL_CTX_set_cipher_list(ctx, kServerCiphers) == 1);
  if (settings.tls13_only) SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
  auto choice = CertificateChoice::from(settings.pairs);
  if (!choice) return choice.error();
  context->certificates_ = choice.take();
  context->certificates_->serve(ctx);
  WallTime now = wall_now();
  context->tickets_ =
      std::make_unique<TicketKeys>(TicketSeed::from_text(settings.ticket_seed, now));
  serve_tickets(ctx, *context->tickets_, settings.client_ca);
  if (settings.ask_client)
    if (Status status = ask_client_certificate(ctx, settings.client_ca); !status)
      return status.error();
  return context;
}

Result<std::shared_ptr<Context>> Context::client(PeerProof proof) {
  return client(ClientSettings{proof, {}});
}

Result<std::shared_ptr<Context>> Context::client(const ClientSettings& settings) {
  PeerProof proof = settings.proof;
  std::shared_ptr<Context> context(new Context(new_context(TLS_client_method()), proof));
  SSL_CTX* ctx = context->ctx_;
  bool demanded = proof == PeerProof::required || proof == PeerProof::dane;
  // Where a certificate is only watched, the callback goes on whatever it is told.
  SSL_CTX_set_verify(ctx, proof == PeerProof::none ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                     demanded ? nullptr : &go_on);
  SSL_CTX_set_verify_depth(ctx, 10);
  if (!settings.own.certificate.empty())
    if (Status used = CertificateChoice::use_always(ctx, settings.own); !used) return used.error();
  if (proof == PeerProof::dane) {
    if (SSL_CTX_dane_enable(ctx) != 1) return openssl_error("DANE");
    SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    return context;
  }
  context->sessions_ = std::make_unique<ClientSessions>();
  context->sessions_->serve(ctx);
  if (proof == PeerProof::none) return context;
  if (Status trusted = trust_roots(ctx, settings.roots); !trusted) return trusted.error();
  return context;
}

Context::~Context() {
  SSL_CTX_free(ctx_);
}

Session Session::server(const Context& context) {
  SSL* ssl = SSL_new(context.ctx_);
  PW_CHECK(ssl != nullptr);
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl);
  return Session(ssl);
}

Session Session::connecting(const Context& context, const std::string& name, ClientChoice choice) {
  SSL* ssl = SSL_new(context.ctx_);
  PW_CHECK(ssl != nullptr);
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl);
  if (choice.tls12_only) SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
  if (!name.empty() && !is_address(name)) SSL_set_tlsext_host_name(ssl, name.c_str());
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return Session(ssl);
}

Session Session::client(const Context& context, const std::string& name, ClientChoice choice) {
  Session session = connecting(context, name, choice);
  bool looks = context.proof_ == PeerProof::required || context.proof_ == PeerProof::watched;
  if (looks && is_address(name))
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session.ssl_), name.c_str());
  else if (looks && !name.empty())
    SSL_set1_host(session.ssl_, name.c_str());
  if (context.sessions_) {
    ClientSessions::name(session.ssl_, name);
    if (choice.resume) session.offered_ = context.sessions_->offer(session.ssl_);
  }
  session.handshake();  // produces the client hello
  return session;
}

Session Session::dane(const Context& context, const std::string& name,
                      const std::vector<mail::Tlsa>& records, ClientChoice choice) {
  Session session = connecting(context, name, choice);
  PW_CHECK(SSL_dane_enable(session.ssl_, name.c_str()) == 1);
  bool any = false;
  for (const mail::Tlsa& r : records) {
    if (!is_usable(r)) continue;
    auto* data = reinterpret_cast<const unsigned char*>(r.data.data());
    any = SSL_dane_tlsa_add(session.ssl_, r.usage, r.selector, r.matching, data, r.data.size()) ==
              1 ||
          any;
  }
  ERR_clear_error();
  if (any) {
    session.handshake();
  } else {
    session.state_ = State::failed;
    session.error_ = "no TLSA record can be used";
  }
  return session;
}

Session::Session(ssl_st* ssl) : ssl_(ssl), idle_messages_(std::make_unique<std::uint32_t>(0)) {
  SSL_set_msg_callback(ssl, &count_message);
  SSL_set_msg_callback_arg(ssl, idle_messages_.get());
}

// Without a word of the end OpenSSL would take the keys for spoilt, and no later session could take
// them up again. Many mail servers just hang up.
Session::~Session() {
  if (ssl_ != nullptr && offered_ && !heard_) ClientSessions::forget(ssl_);
  if (ssl_ != nullptr && (state_ == State::open || state_ == State::closed))
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

Session::Session(Session&& other) noexcept
    : ssl_(other.ssl_),
      state_(other.state_),
      error_(std::move(other.error_)),
      idle_messages_(std::move(other.idle_messages_)),
      offered_(other.offered_),
      heard_(other.heard_) {
  other.ssl_ = nullptr;
}

Session& Session::operator=(Session&& other) noexcept {
  std::swap(ssl_, other.ssl_);
  std::swap(state_, other.state_);
  std::swap(error_, other.error_);
  std::swap(idle_messages_, other.idle_messages_);
  std::swap(offered_, other.offered_);
  std::swap(heard_, other.heard_);
  return *this;
}

void Session::fail() {
  state_ = State::failed;
  unsigned long number = ERR_peek_error();
  // The verdict on a certificate is there even where nobody asked for it: it is the reason only
  // where the handshake was ended for it.
  bool judged = ERR_GET_LIB(number) == ERR_LIB_SSL &&
                ERR_GET_REASON(number) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  long verdict = judged && SSL_is_server(ssl_) == 0 ? SSL_get_verify_result(ssl_) : X509_V_OK;
  if (verdict != X509_V_OK) error_ = X509_verify_cert_error_string(verdict);
  if (verdict == X509_V_OK) {
    const char* reason = number != 0 ? ERR_reason_error_string(number) : nullptr;
    error_ = reason != nullptr ? reason : "TLS failed";
  }
  ERR_clear_error();
}

void Session::handshake() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    state_ = State::open;
    *idle_messages_ = 0;
    return;
  }
  int reason = SSL_get_error(ssl_, result);
  if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
    ClientSessions::forget(ssl_);
    fail();
  }
}

Session::State Session::receive(std::string_view ciphertext, std::string& plaintext) {
  if (state_ == State::closed || state_ == State::failed) return state_;
  BIO_write(SSL_get_rbio(ssl_), ciphertext.data(), static_cast<int>(ciphertext.size()));
  if (state_ == State::handshaking) handshake();
  if (state_ != State::open) return state_;
  ERR_clear_error();
  std::size_t had = plaintext.size();
  for (;;) {
    // Whole records; a string would clear the room for them each time.
    constexpr std::size_t kRecord = 16384;
    thread_local std::array<char, kRecord> record;
    int count = SSL_read(ssl_, record.data(), kRecord);
    if (count > 0) {
      heard_ = true;
      plaintext.append(record.data(), static_cast<std::size_t>(count));
      continue;
    }
    int reason = SSL_get_error(ssl_, count);
    if (reason == SSL_ERROR_ZERO_RETURN)
      state_ = State::closed;
    else if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
      fail();
    break;
  }
  if (plaintext.size() > had) *idle_messages_ = 0;
  if (state_ == State::open && *idle_messages_ > kPostHandshakeMax) {
    state_ = State::failed;
    error_ = "too many messages of the handshake without data";
  }
  return state_;
}

void Session::send(std::string_view plaintext) {
  while (state_ == State::open && !plaintext.empty()) {
    ERR_clear_error();
    int count = SSL_write(ssl_, plaintext.data(),
                          static_cast<int>(std::min<std::size_t>(plaintext.size(), 1U << 20)));
    if (count <= 0) return fail();
    plaintext.remove_prefix(static_cast<std::size_t>(count));
  }
}

void Session::close() {
  if (state_ != State::open) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string Session::take_output() {
  BIO* out = SSL_get_wbio(ssl_);
  char* data = nullptr;
  long size = BIO_get_mem_data(out, &data);
  std::string bytes(data, size > 0 ? static_cast<std::size_t>(size) : 0);
  (void)BIO_reset(out);
  return bytes;
}

std::size_t Session::output_size() const {
  return BIO_ctrl_pending(SSL_get_wbio(ssl_));
}

std::string Session::version() const {
  return SSL_get_version(ssl_);
}

std::string Session::cipher() const {
  const char* name = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl_));
  return name != nullptr ? name : "";
}

std::string Session::peer_fault() const {
  long verdict = SSL_get_verify_result(ssl_);
  return verdict == X509_V_OK ? std::string() : X509_verify_cert_error_string(verdict);
}

mail::TlsEnd Session::verdict() const {
  switch (SSL_get_verify_result(ssl_)) {
    case X509_V_OK:
      return state_ == State::open ? mail::TlsEnd::success : mail::TlsEnd::validation_failure;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return mail::TlsEnd::certificate_host_mismatch;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return mail::TlsEnd::certificate_expired;
    default:
      return mail::TlsEnd::certificate_not_trusted;
  }
}

bool Session::resumed() const {
  return SSL_session_reused(ssl_) == 1;
}

}  // namespace postwain::tls
