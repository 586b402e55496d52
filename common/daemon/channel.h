// A stream that may speak TLS: what smtpd and the delivery agents talk to. Layers net::Stream and
// tls::Session. End of TLS is the end of the connection, never a way back to clear bytes
// (CVE-2026-45185 of Exim).
//
// What is sent goes to the kernel at once, as far as that takes it. Octets that may leave at their
// time only are marked: the owner is asked right before each write that contains one, and what it
// keeps back stays here, with all that is behind it, ciphertext included.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/stream.h"
#include "common/tls/tls.h"

namespace postwain::daemon {

class Channel {
 public:
  struct Callbacks {
    std::function<void(std::string_view)> on_data{};  // plaintext, valid during the call only
    std::function<void()> on_tls{};                   // handshake done
    // The connection is over: "" when the peer ended it in order, else the reason. No callback
    // follows.
    std::function<void(const std::string& why)> on_closed{};
    std::function<void()> on_drained{};  // everything sent has reached the kernel
    // Of marked octets: whether they may leave now; that the next of them has reached the kernel;
    // and that one waits, until look_again(). They must not call the Channel.
    std::function<bool()> may_leave{};
    std::function<void()> on_left{};
    std::function<void()> on_held{};
  };

  // While so many bytes are not taken by the kernel, TLS's own answers among them, nothing is read:
  // a peer that asks TLS for answers and reads none would fill our memory.
  static constexpr std::size_t kUnreadMax = 64U << 10;

  // stream is connected. Reading begins at once.
  Channel(net::Loop& loop, net::Stream stream, Callbacks callbacks);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // From here on TLS. The caller has already discarded plaintext it got before (RFC 3207 5.1), and
  // sent its own last plaintext ("220 ready") with send().
  void start_tls_server(const tls::Context& context);
  void start_tls_client(const tls::Context& context, const std::string& name,
                        tls::ClientChoice choice = {});
  // tls::Session::dane
  void start_tls_dane(const tls::Context& context, const std::string& name,
                      const std::vector<mail::Tlsa>& records, tls::ClientChoice choice = {});
  // Bytes that came before the Channel was there (behind a PROXY header); as if they came now.
  void feed(std::string_view bytes) { received(bytes); }
  bool tls_open() const;
  // The client hello offered to take an earlier session up.
  bool tls_offered_session() const { return tls_ && tls_->offered(); }
  std::string tls_version() const;
  std::string tls_cipher() const;
  std::string tls_peer_fault() const;  // tls::Session::peer_fault
  mail::TlsEnd tls_verdict() const;    // tls::Session::verdict; without TLS a failure
  tls::PeerCertificate tls_peer_certificate() const;
  std::string tls_binding(tls::Session::ChannelBinding kind) const;

  void send(std::string_view bytes);
  // The same; `ends`, ascending, are sizes of beginnings of `bytes` whose last octet is marked.
  void send(std::string_view bytes, const std::vector<std::size_t>& ends);
  // A marked octet is the next, and does not leave: by may_leave(), or because the kernel has no
  // room. Nothing will say when that changes.
  bool is_held() const { return kept_left() > 0 && stream_.pending() == 0; }
  void look_again();
  // If a marked octet has not left: neither it nor anything else is sent any more.
  void drop_held();
  std::size_t pending() const;  // bytes not yet taken by the kernel
  // In on_drained: whether bytes of send() were among what has drained, or only what TLS said by
  // itself, as in answer to the peer's KeyUpdate.
  bool drained_own() const { return drained_own_; }
  void pause();  // stop reading
  void resume();
  void limit_reads(std::size_t octets) { stream_.limit_reads(octets); }
  // Sends what is pending and closes; the Channel may be destroyed right after. keep: lives until
  // the connection is gone, for which the peer has to end it, too (five seconds at most).
  // Marked octets that have not left never do.
  void close_after_flush(std::shared_ptr<void> keep = nullptr);

  net::Endpoint peer() const { return stream_.peer(); }
  net::Endpoint local() const { return stream_.local(); }

 private:
  void received(std::string_view bytes);
  void drained();
  void push_tls_output();
  void over(const std::string& why);
  // channel_marks.cc
  void put(std::string_view bytes);
  void keep(std::string_view bytes);
  void write_kept();
  void took(std::size_t octets);
  void tidy_kept();
  std::size_t kept_left() const { return kept_.size() - kept_at_; }
  std::string_view kept_rest() const { return std::string_view(kept_).substr(kept_at_); }

  net::Stream stream_;
  std::optional<tls::Session> tls_;
  bool tls_announced_ = false;
  bool paused_ = false;       // by the owner
  bool flooded_ = false;      // by TLS's own answers that nobody reads
  bool owed_ = false;         // bytes of send() are not all taken
  bool drained_own_ = false;  // they were, by what has just drained
  // What the stream has not been given, from kept_at_ on: it begins at or before a marked octet.
  std::string kept_;
  std::size_t kept_at_ = 0;
  std::deque<std::size_t> marks_;  // how much of kept_ goes with each of them
  bool cut_ = false;               // drop_held() has dropped something
  bool* destroyed_ = nullptr;      // set while a callback runs, so that we notice our own end
  std::shared_ptr<Callbacks> callbacks_;  // shared only with a call that is running
};

}  // namespace postwain::daemon
