// TLS as an engine without sockets: ciphertext in and out as bytes. Home of OpenSSL; TLS 1.2
// and 1.3 only, no renegotiation (RFC 3207, RFC 8314).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/mail/tls_result.h"
#include "common/mail/tlsa.h"

struct ssl_ctx_st;
struct ssl_st;

namespace postwain::tls {

class CertificateChoice;
class ClientSessions;
class TicketKeys;

// PEM bytes, not paths. certificate: the chain, leaf first.
struct Pair {
  std::string_view certificate;
  std::string_view key;
};

struct ServerSettings {
  // The first is for clients that name no host or one nobody has a certificate for; another, when
  // the name is one of those it is made out for (wildcards as in RFC 6125). Several for the same
  // names are offered together, and the client's abilities decide (RSA beside ECDSA).
  std::vector<Pair> pairs;
  bool tls13_only = false;
  // Whether the client is asked for a certificate. It may have none, or any: the caller judges.
  bool ask_client = false;
  std::string_view ticket_seed;  // TicketSeed::text(); empty: one of this context's own
  std::string_view client_ca;    // PEM; empty: no certificate counts as verified
};

// So many messages of the handshake protocol (KeyUpdate, tickets) may come behind a handshake
// without application data in between; whoever sends more only makes us work.
constexpr std::uint32_t kPostHandshakeMax = 64;

// What the peer showed of itself.
struct PeerCertificate {
  std::string fingerprint;          // SHA-256, 64 lower case digits; empty: it has no certificate
  bool verified = false;            // its chain leads to client_ca
  std::vector<std::string> emails;  // subjectAltName rfc822Name
  std::string common_name;
};

// What an operator wants to know of a certificate before the clients do.
struct CertificateFacts {
  std::vector<std::string> names;  // DNS names of subjectAltName
  WallTime not_after{};
  bool covers_host = false;
};
Result<CertificateFacts> certificate_facts(std::string_view pem, const std::string& host);

// What a server has to show of itself.
enum class PeerProof : std::uint8_t {
  none,
  watched,   // as required, but a handshake never fails for it; Session::peer_fault tells
  required,  // its chain leads to the roots of trust and its name is the expected one
  dane,      // it is believed by TLSA records alone (RFC 7671); they are given to each session
};
struct ClientSettings {
  PeerProof proof = PeerProof::none;
  Pair own{};  // shown to servers that ask; empty: none
  // PEM: the roots of trust, in the place of the system's, of proofs that need some.
  std::string_view roots{};
};

// How one handshake of a client goes.
struct ClientChoice {
  bool resume = true;       // take an earlier session with the server up, where there is one
  bool tls12_only = false;  // for servers that do not get along with TLS 1.3
};

// Shared by all sessions of one kind; cheap to hold.
class Context {
 public:
  // Fails with OpenSSL's reason. The bytes are not needed afterwards.
  static Result<std::shared_ptr<Context>> server(const ServerSettings& settings);
  static Result<std::shared_ptr<Context>> server(std::string_view certificate,
                                                 std::string_view key);
  static Result<std::shared_ptr<Context>> client(const ClientSettings& settings);
  static Result<std::shared_ptr<Context>> client(PeerProof proof);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  friend class Session;
  Context(ssl_ctx_st* ctx, PeerProof proof);
  ssl_ctx_st* ctx_;
  PeerProof proof_;
  std::unique_ptr<CertificateChoice> certificates_;  // of a server
  std::unique_ptr<TicketKeys> tickets_;              // the same
  std::unique_ptr<ClientSessions> sessions_;         // of a client that is no DANE client
};

class Session {
 public:
  enum class State { handshaking, open, closed, failed };

  static Session server(const Context& context);
  // name: SNI and, when the context verifies, the name the certificate must carry. An address is no
  // server name (RFC 6066 3): it is not sent, and the certificate must be made out for it.
  static Session client(const Context& context, const std::string& name, ClientChoice choice = {});
  // Of a context with PeerProof::dane. name: SNI and the reference name of DANE-TA; DANE-EE looks
  // at no name (RFC 7672 3.1.1). Records that cannot be used are passed over; with none the
  // handshake fails.
  static Session dane(const Context& context, const std::string& name,
                      const std::vector<mail::Tlsa>& records, ClientChoice choice = {});
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
  std::size_t output_size() const;

  State state() const { return state_; }
  const std::string& error() const { return error_; }
  // What SASL binds itself to (RFC 5056); empty where this session has none of the kind.
  enum class ChannelBinding { exporter, unique, end_point };
  std::string channel_binding(ChannelBinding kind) const;
  PeerCertificate peer_certificate() const;
  std::string version() const;  // "TLSv1.3"
  std::string cipher() const;   // "TLS_AES_256_GCM_SHA384"
  bool resumed() const;         // from a ticket of an earlier session
  // The client hello offered to take one up. Where nothing comes of such a handshake, or nothing is
  // heard behind it, the session is forgotten: perhaps the server stumbles over it.
  bool offered() const { return offered_; }
  // What is wrong with the server's certificate; empty: nothing, or nobody looked.
  std::string peer_fault() const;
  // The same and why a handshake failed, in the words of RFC 8460.
  mail::TlsEnd verdict() const;

 private:
  explicit Session(ssl_st* ssl);
  static Session connecting(const Context& context, const std::string& name, ClientChoice choice);
  void handshake();
  void fail();
  ssl_st* ssl_ = nullptr;
  State state_ = State::handshaking;
  std::string error_;
  // Handshake messages since the last application data; OpenSSL's callback counts it up.
  std::unique_ptr<std::uint32_t> idle_messages_;
  bool offered_ = false;
  bool heard_ = false;  // plaintext has come
};

}  // namespace postwain::tls
