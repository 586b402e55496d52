// TLS as an engine without sockets: ciphertext in and out as bytes. Home of OpenSSL; TLS 1.2
// and 1.3 only, no renegotiation (RFC 3207, RFC 8314).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace postwain::tls {

// Shared by all sessions of one kind; cheap to hold.
class Context {
 public:
  // certificate: PEM chain, leaf first; key: PEM. Both as bytes, not as paths. Fails with OpenSSL's
  // reason.
  static Result<std::shared_ptr<Context>> server(std::string_view certificate,
                                                 std::string_view key);
  // verify: the peer's chain must lead to the system's trust store and its name must be the
  // expected one.
  static Result<std::shared_ptr<Context>> client(bool verify);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  friend class Session;
  Context(ssl_ctx_st* ctx, bool verify) : ctx_(ctx), verify_(verify) {}
  ssl_ctx_st* ctx_;
  bool verify_;
};

class Session {
 public:
  enum class State { handshaking, open, closed, failed };

  static Session server(const Context& context);
  // name: SNI and, when the context verifies, the name the certificate must carry.
  static Session client(const Context& context, const std::string& name);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Feeds ciphertext; appends what came out as plaintext. The state tells how it went: `closed`
  // after the peer's close_notify, `failed` with error().
  State receive(std::string_view ciphertext, std::string& plaintext);
  // Encrypts; only when open.
  void send(std::string_view plaintext);
  void close();  // queues close_notify
  // Ciphertext to be sent; the caller takes it after each receive, send and close.
  std::string take_output();

  State state() const { return state_; }
  const std::string& error() const { return error_; }
  // What SASL binds itself to (RFC 5056); empty where this session has none of the kind.
  enum class ChannelBinding { exporter, unique, end_point };
  std::string channel_binding(ChannelBinding kind) const;
  std::string version() const;  // "TLSv1.3"
  std::string cipher() const;   // "TLS_AES_256_GCM_SHA384"

 private:
  explicit Session(ssl_st* ssl) : ssl_(ssl) {}
  void handshake();
  void fail();
  ssl_st* ssl_ = nullptr;
  State state_ = State::handshaking;
  std::string error_;
};

}  // namespace postwain::tls
