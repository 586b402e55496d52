// One receiving session of the sink: takes everything as fast as it comes, keeps nothing, counts.
// Answers whole flights of pipelined commands in one write. SMTP, or LMTP with one reply per
// accepted recipient (RFC 2033). It trusts its client: grammar is not looked at.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bench/tool.h"
#include "common/tls/tls.h"

namespace postwain::bench {

struct SinkSetup {
  bool lmtp = false;
  bool chunking = false;                // announce CHUNKING
  bool pipelining = true;               // announce PIPELINING
  std::shared_ptr<tls::Context> tls{};  // not null: announce STARTTLS
  std::string rcpt_reply;  // not empty: the answer to every `rcpt_every`-th RCPT, "450 4.2.1 no"
  std::uint64_t rcpt_every = 1;
  std::string final_reply;  // not empty: the answer to every `final_every`-th message
  std::uint64_t final_every = 1;
};

struct SinkCounts {
  std::uint64_t connections = 0;
  std::uint64_t open = 0;
  std::uint64_t messages = 0;    // ended with a positive final reply (LMTP: at least one)
  std::uint64_t recipients = 0;  // of those messages, with a positive final reply
  std::uint64_t refused = 0;     // replies that rcpt_reply and final_reply gave
  std::uint64_t bytes = 0;       // of content
  std::uint64_t rcpts = 0;
  std::uint64_t finals = 0;
  std::uint64_t handshakes = 0;
  std::uint64_t resumed = 0;  // of them
  std::int64_t first_ns = 0;  // CLOCK_MONOTONIC of the first and the last accepted message
  std::int64_t last_ns = 0;
  std::string json() const;
};

class SinkSession {
 public:
  SinkSession(UniqueFd fd, const SinkSetup& setup, SinkCounts& counts, Epoll& epoll);
  ~SinkSession();
  SinkSession(const SinkSession&) = delete;
  SinkSession& operator=(const SinkSession&) = delete;

  // False when the connection is over and the session shall be destroyed.
  bool on_event(std::uint32_t events);

 private:
  bool decrypt(std::string_view bytes);
  void take(std::string_view bytes);
  void take_lines(std::string_view& bytes);
  void take_data(std::string_view& bytes);
  void take_chunk(std::string_view& bytes);
  void on_command(std::string_view line);
  void on_hello(std::string_view line);
  void on_rcpt();
  void on_bdat(std::string_view arguments);
  void end_content();
  void end_transaction();
  bool flush();

  UniqueFd fd_;
  const SinkSetup& setup_;
  SinkCounts& counts_;
  Epoll& epoll_;
  std::string in_;  // an unfinished command line
  std::string out_;
  std::optional<tls::Session> tls_;
  std::string plain_;  // what came out of it
  std::string wire_;   // what goes out
  bool start_tls_ = false;
  bool in_data_ = false;
  bool quit_ = false;
  bool want_write_ = false;
  std::uint64_t chunk_left_ = 0;
  bool chunk_last_ = false;
  std::uint64_t recipients_ = 0;  // accepted in this transaction
  std::array<char, 5> tail_{};    // the last bytes of DATA seen, to find CRLF.CRLF across reads
};

}  // namespace postwain::bench
