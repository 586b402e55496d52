// One sending session of the load source: connects, says hello, and sends messages one after the
// other, each as MAIL, RCPT… and DATA in one write where the server offers PIPELINING (RFC 2920),
// then the content. The next message begins after the final reply of the one before, as a mail
// program or an MTA in front would do it. STARTTLS where the run asks for it, with sessions taken
// up again (RFC 3207); no AUTH.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/tool.h"
#include "common/tls/tls.h"

namespace postwain::bench {

// What every session of a run sends.
struct Load {
  Endpoint target;
  bool lmtp = false;
  std::string from;
  std::string to_domain;
  std::uint64_t domains = 1;            // more than 1: d0.DOMAIN, d1.DOMAIN, … in turn
  std::uint64_t recipients = 1;         // of each message
  std::uint64_t per_connection = 0;     // messages before QUIT; 0: no limit
  std::uint64_t size = 4096;            // of the content with its header, in bytes
  std::shared_ptr<tls::Context> tls{};  // not null: everything goes under TLS
};

// Where in a session a reply belongs; the order of kStageNames.
enum class Stage : std::uint8_t { greeting, hello, starttls, mail, rcpt, data, final, quit };
constexpr std::array<std::string_view, 8> kStageNames = {"greeting", "hello", "starttls", "mail",
                                                         "rcpt",     "data",  "final",    "quit"};

// The budget of a run and everything counted in it; shared by its sessions, one thread.
class Run {
 public:
  Run(const Load& load, std::uint64_t messages, std::int64_t deadline_ns);

  // True when one more message shall be sent; then number is its own.
  bool take(std::uint64_t& number);
  bool spent() const;
  const Load& load() const { return load_; }
  std::string_view body() const { return body_; }

  void count_reply(Stage stage, int code);
  void count_accepted(std::int64_t started_ns);

  std::uint64_t taken = 0;
  std::uint64_t accepted = 0;     // messages whose every final reply was 2xx
  std::uint64_t connections = 0;  // opened
  std::uint64_t connect_failed = 0;
  std::uint64_t lost = 0;  // connections the server broke off in the middle
  std::uint64_t handshakes = 0;
  std::uint64_t resumed = 0;  // of them
  std::int64_t started_ns = 0;
  std::int64_t last_accepted_ns = 0;
  std::vector<std::uint32_t> latency_us;  // MAIL to final reply, one entry per accepted message
  std::array<std::array<std::uint64_t, 6>, kStageNames.size()> replies{};  // [stage][code / 100]

 private:
  const Load& load_;
  std::uint64_t messages_;
  std::int64_t deadline_ns_;
  std::string body_;
};

class SourceSession {
 public:
  SourceSession(Run& run, Epoll& epoll) : run_(run), epoll_(epoll) {}

  void open();
  // Called with the events of epoll.
  void on_event(std::uint32_t events);

  // Neither connected nor done: open() shall be called again, after a pause.
  bool wants_open() const { return !fd_ && !done_; }
  bool done() const { return done_; }

 private:
  enum class State : std::uint8_t {
    connecting,
    greeting,
    hello,
    starttls,
    envelope,
    content,
    reset,
    quitting
  };

  void read_replies();
  bool decrypt(std::string_view bytes);
  void take(std::string_view bytes);
  void encrypt();
  void on_line(std::string_view line);
  void on_reply(int code);
  void on_envelope_reply(int code);
  void on_final_reply(int code);
  void next_message();
  void queue_command();
  void queue_content();
  void quit();
  void flush();
  void close(bool broken);

  Run& run_;
  Epoll& epoll_;
  UniqueFd fd_;
  State state_ = State::connecting;
  bool done_ = false;
  bool pipelining_ = false;
  bool want_write_ = false;
  std::optional<tls::Session> tls_;
  std::string plain_;  // what came out of it
  std::string wire_;   // what goes out
  std::string in_;     // an unfinished line
  std::string out_;    // commands and the message's own header fields
  std::size_t out_sent_ = 0;
  std::string_view body_left_;   // follows out_
  std::uint64_t sent_here_ = 0;  // messages on this connection
  std::uint64_t number_ = 0;     // of the current message
  std::int64_t mail_ns_ = 0;
  std::uint64_t commands_queued_ = 0;  // of the envelope: MAIL, RCPT…, DATA
  std::uint64_t replies_seen_ = 0;
  std::uint64_t recipients_taken_ = 0;
  std::uint64_t finals_left_ = 0;
  bool all_final_good_ = false;
};

}  // namespace postwain::bench
