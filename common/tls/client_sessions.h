// Sessions a client may take up again, by the name of the server: a handshake without certificates,
// at a fraction of the cost. Never for DANE, where each connection is judged by its own records.
#pragma once

#include <list>
#include <string>
#include <unordered_map>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace postwain::tls {

constexpr std::size_t kClientSessionsMax = 1000;  // the one used longest ago goes

class ClientSessions {
 public:
  ClientSessions() = default;
  ~ClientSessions();
  ClientSessions(const ClientSessions&) = delete;
  ClientSessions& operator=(const ClientSessions&) = delete;

  // Must outlive ctx's sessions.
  void serve(ssl_ctx_st* ctx);
  // As whom the server is known here: its name or its address.
  static void name(ssl_st* ssl, const std::string& name);
  // Before the handshake, when the server is named. True: there is one. A session serves until the
  // server sends another one: that a watcher could tell the same client by it (RFC 8446 C.4) is no
  // secret of a mail server.
  bool offer(ssl_st* ssl);
  // A handshake failed: perhaps the server stumbles over the session.
  static void forget(ssl_st* ssl);
  std::size_t size() const { return by_name_.size(); }

 private:
  struct Kept {
    std::string name;
    ssl_session_st* session;
  };
  static ClientSessions* of(ssl_st* ssl);
  static int on_new(ssl_st* ssl, ssl_session_st* session) noexcept;
  void keep(const std::string& name, ssl_session_st* session);

  std::list<Kept> kept_;  // the newest first
  std::unordered_map<std::string, std::list<Kept>::iterator> by_name_;
};

}  // namespace postwain::tls
