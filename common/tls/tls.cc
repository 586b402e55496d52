#include "common/tls/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/base/check.h"

namespace postwain::tls {

namespace {

Error openssl_error(const std::string& what) {
  char text[256] = "unknown error";
  unsigned long number = ERR_get_error();
  if (number != 0) ERR_error_string_n(number, text, sizeof text);
  ERR_clear_error();
  return Error{what + ": " + text};
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;

BioPtr memory_bio(std::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

SSL_CTX* new_context(const SSL_METHOD* method) {
  SSL_CTX* ctx = SSL_CTX_new(method);
  PW_CHECK(ctx != nullptr);
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  return ctx;
}

// The certificate chain and key, from PEM bytes.
Status use_certificate(SSL_CTX* ctx, std::string_view certificate, std::string_view key) {
  BioPtr chain = memory_bio(certificate);
  X509* leaf = PEM_read_bio_X509_AUX(chain.get(), nullptr, nullptr, nullptr);
  if (leaf == nullptr) return openssl_error("certificate");
  int used = SSL_CTX_use_certificate(ctx, leaf);
  X509_free(leaf);
  if (used != 1) return openssl_error("certificate");
  while (X509* issuer = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))
    if (SSL_CTX_add0_chain_cert(ctx, issuer) != 1) X509_free(issuer);
  ERR_clear_error();  // the end of the chain is reported as an error
  BioPtr key_bytes = memory_bio(key);
  EVP_PKEY* private_key = PEM_read_bio_PrivateKey(key_bytes.get(), nullptr, nullptr, nullptr);
  if (private_key == nullptr) return openssl_error("key");
  used = SSL_CTX_use_PrivateKey(ctx, private_key);
  EVP_PKEY_free(private_key);
  if (used != 1) return openssl_error("key does not belong to the certificate");
  return {};
}

}  // namespace

Result<std::shared_ptr<Context>> Context::server(std::string_view certificate,
                                                 std::string_view key) {
  std::shared_ptr<Context> context(new Context(new_context(TLS_server_method()), false));
  SSL_CTX_set_options(context->ctx_, SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (Status status = use_certificate(context->ctx_, certificate, key); !status)
    return status.error();
  return context;
}

Result<std::shared_ptr<Context>> Context::client(bool verify) {
  std::shared_ptr<Context> context(new Context(new_context(TLS_client_method()), verify));
  SSL_CTX_set_verify(context->ctx_, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_verify_depth(context->ctx_, 10);
  if (verify && SSL_CTX_set_default_verify_paths(context->ctx_) != 1)
    return openssl_error("system trust store");
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

Session Session::client(const Context& context, const std::string& name) {
  SSL* ssl = SSL_new(context.ctx_);
  PW_CHECK(ssl != nullptr);
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl);
  if (!name.empty()) {
    SSL_set_tlsext_host_name(ssl, name.c_str());
    if (context.verify_) {
      SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      SSL_set1_host(ssl, name.c_str());
    }
  }
  Session session(ssl);
  session.handshake();  // produces the client hello
  return session;
}

Session::~Session() {
  SSL_free(ssl_);
}

Session::Session(Session&& other) noexcept
    : ssl_(other.ssl_), state_(other.state_), error_(std::move(other.error_)) {
  other.ssl_ = nullptr;
}

Session& Session::operator=(Session&& other) noexcept {
  std::swap(ssl_, other.ssl_);
  std::swap(state_, other.state_);
  std::swap(error_, other.error_);
  return *this;
}

void Session::fail() {
  state_ = State::failed;
  long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK) error_ = X509_verify_cert_error_string(verdict);
  unsigned long number = ERR_peek_error();
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
    return;
  }
  int reason = SSL_get_error(ssl_, result);
  if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) fail();
}

Session::State Session::receive(std::string_view ciphertext, std::string& plaintext) {
  if (state_ == State::closed || state_ == State::failed) return state_;
  BIO_write(SSL_get_rbio(ssl_), ciphertext.data(), static_cast<int>(ciphertext.size()));
  if (state_ == State::handshaking) handshake();
  if (state_ != State::open) return state_;
  ERR_clear_error();
  for (;;) {
    constexpr std::size_t kRecord = 16384;
    std::size_t before = plaintext.size();
    plaintext.resize(before + kRecord);
    int count = SSL_read(ssl_, plaintext.data() + before, kRecord);
    plaintext.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
    if (count > 0) continue;
    int reason = SSL_get_error(ssl_, count);
    if (reason == SSL_ERROR_ZERO_RETURN)
      state_ = State::closed;
    else if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
      fail();
    return state_;
  }
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

std::string Session::version() const {
  return SSL_get_version(ssl_);
}

std::string Session::cipher() const {
  const char* name = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl_));
  return name != nullptr ? name : "";
}

}  // namespace postwain::tls
