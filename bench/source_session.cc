#include "bench/source_session.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "common/base/text.h"

namespace postwain::bench {

namespace {

constexpr std::size_t kReadBytes = 64U << 10;
constexpr std::size_t kHeaderBytes = 160;  // roughly what queue_content() writes
constexpr std::size_t kBodyLine = 72;      // without CRLF

// The part of the content that all messages share: the empty line, lines of text, the end of data.
std::string make_body(std::uint64_t size) {
  std::string body = "\r\n";
  std::size_t wanted = size > kHeaderBytes ? size - kHeaderBytes : 2;
  char letter = 'a';
  while (body.size() < wanted) {
    body.append(std::min(kBodyLine, wanted - body.size()), letter).append("\r\n");
    letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1);
  }
  return body + ".\r\n";
}

}  // namespace

Run::Run(const Load& load, std::uint64_t messages, std::int64_t deadline_ns)
    : load_(load), messages_(messages), deadline_ns_(deadline_ns), body_(make_body(load.size)) {
  latency_us.reserve(messages != 0 ? messages : 1 << 20);
}

bool Run::take(std::uint64_t& number) {
  if (spent()) return false;
  number = taken++;
  return true;
}

bool Run::spent() const {
  return messages_ != 0 ? taken >= messages_ : now_ns() >= deadline_ns_;
}

void Run::count_reply(Stage stage, int code) {
  ++replies[static_cast<std::size_t>(stage)][static_cast<std::size_t>(code / 100)];
}

void Run::count_accepted(std::int64_t mail_ns) {
  ++accepted;
  last_accepted_ns = now_ns();
  latency_us.push_back(static_cast<std::uint32_t>((last_accepted_ns - mail_ns) / 1000));
}

void SourceSession::open() {
  if (run_.spent()) {
    done_ = true;
    return;
  }
  in_.clear();
  out_.clear();
  out_sent_ = 0;
  body_left_ = {};
  sent_here_ = 0;
  pipelining_ = false;
  tls_.reset();
  wire_.clear();
  state_ = State::connecting;
  fd_ = start_connect(run_.load().target);
  if (!fd_) {
    ++run_.connect_failed;
    return;
  }
  want_write_ = true;
  epoll_.add(fd_.get(), EPOLLIN | EPOLLOUT, this);
}

void SourceSession::on_event(std::uint32_t events) {
  if (state_ == State::connecting) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0 || (events & EPOLLHUP) != 0) {
      ++run_.connect_failed;
      fd_.reset();
      return;
    }
    ++run_.connections;
    state_ = State::greeting;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_replies();
  // Only what is written now; a connection just begun waits for its own event.
  if (fd_ && state_ != State::connecting) flush();
}

void SourceSession::read_replies() {
  static std::array<char, kReadBytes> buffer;
  ssize_t count = read(fd_.get(), buffer.data(), buffer.size());
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    close(state_ != State::quitting);
    return;
  }
  if (run_.load().target.family != AF_UNIX) set_quick_ack(fd_.get());
  std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
  if (!tls_) return take(bytes);
  if (decrypt(bytes)) take(plain_);
}

// False: the session is over.
bool SourceSession::decrypt(std::string_view bytes) {
  bool shook = tls_->state() == tls::Session::State::handshaking;
  plain_.clear();
  tls::Session::State state = tls_->receive(bytes, plain_);
  if (state == tls::Session::State::failed || state == tls::Session::State::closed) {
    close(state_ != State::quitting);
    return false;
  }
  if (shook && state == tls::Session::State::open) {
    ++run_.handshakes;
    run_.resumed += tls_->resumed() ? 1 : 0;
    out_ += "EHLO source.example\r\n";
    state_ = State::hello;
  }
  return true;
}

void SourceSession::take(std::string_view bytes) {
  // A closed connection may have been replaced already: what is left belongs to the old one.
  while (state_ != State::connecting && fd_ && !bytes.empty()) {
    auto end = bytes.find('\n');
    if (end == std::string_view::npos) {
      in_.append(bytes);
      return;
    }
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (in_.empty()) {
      on_line(line);
    } else {
      std::string whole = std::exchange(in_, {});
      whole.append(line);
      on_line(whole);
    }
  }
}

void SourceSession::on_line(std::string_view line) {
  if (state_ == State::hello && line.find("PIPELINING") != std::string_view::npos) {
    pipelining_ = true;
  }
  if (line.size() > 3 && line[3] == '-') return;
  auto code = parse_decimal<int>(line.substr(0, 3));
  if (!code || *code < 100 || *code > 599) {
    close(true);
    return;
  }
  on_reply(*code);
}

void SourceSession::on_reply(int code) {
  bool good = code < 400;
  switch (state_) {
    case State::connecting:
      return;
    case State::greeting:
      run_.count_reply(Stage::greeting, code);
      if (!good) return close(true);
      out_ += run_.load().lmtp ? "LHLO source.example\r\n" : "EHLO source.example\r\n";
      state_ = State::hello;
      return;
    case State::hello:
      run_.count_reply(Stage::hello, code);
      if (!good) return close(true);
      if (run_.load().tls == nullptr || tls_) return next_message();
      out_ += "STARTTLS\r\n";
      state_ = State::starttls;
      return;
    case State::starttls:
      run_.count_reply(Stage::starttls, code);
      if (code != 220) return close(true);
      tls_.emplace(tls::Session::client(*run_.load().tls, "bench.example"));
      return;
    case State::envelope:
      return on_envelope_reply(code);
    case State::content:
      return on_final_reply(code);
    case State::reset:
      return good ? next_message() : close(true);
    case State::quitting:
      run_.count_reply(Stage::quit, code);
      return close(false);
  }
}

void SourceSession::next_message() {
  const Load& load = run_.load();
  bool full = load.per_connection != 0 && sent_here_ >= load.per_connection;
  if (full || !run_.take(number_)) return quit();
  ++sent_here_;
  commands_queued_ = replies_seen_ = recipients_taken_ = 0;
  mail_ns_ = now_ns();
  state_ = State::envelope;
  queue_command();
  while (pipelining_ && commands_queued_ < load.recipients + 2) queue_command();
}

// Queues the next command of the envelope: MAIL, each RCPT, DATA.
void SourceSession::queue_command() {
  const Load& load = run_.load();
  std::uint64_t index = commands_queued_++;
  auto out = std::back_inserter(out_);
  if (index == 0) {
    fmt::format_to(out, "MAIL FROM:<{}>\r\n", load.from);
  } else if (index > load.recipients) {
    out_ += "DATA\r\n";
  } else if (load.domains > 1) {
    fmt::format_to(out, "RCPT TO:<user{}@d{}.{}>\r\n", index, number_ % load.domains,
                   load.to_domain);
  } else {
    fmt::format_to(out, "RCPT TO:<user{}@{}>\r\n", index, load.to_domain);
  }
}

void SourceSession::on_envelope_reply(int code) {
  const Load& load = run_.load();
  std::uint64_t index = replies_seen_++;
  bool last = index == load.recipients + 1;
  run_.count_reply(index == 0 ? Stage::mail : last ? Stage::data : Stage::rcpt, code);
  if (index != 0 && !last && code < 300) ++recipients_taken_;
  if (code == 421) return close(true);
  if (!last) {
    if (!pipelining_) queue_command();
    return;
  }
  if (code != 354) {  // the server may still hold the sender: RSET before the next MAIL
    out_ += "RSET\r\n";
    state_ = State::reset;
    return;
  }
  finals_left_ = load.lmtp ? recipients_taken_ : 1;
  all_final_good_ = recipients_taken_ != 0;
  state_ = State::content;
  queue_content();
}

void SourceSession::queue_content() {
  if (recipients_taken_ == 0) {  // RFC 2920 3.1: nobody to send to, so the end of data alone.
    out_ += ".\r\n";
    if (finals_left_ == 0) next_message();
    return;
  }
  fmt::format_to(std::back_inserter(out_),
                 "From: <{}>\r\nTo: <user1@{}>\r\nSubject: load\r\n"
                 "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
                 "Message-ID: <{:08}.{}@source.example>\r\n",
                 run_.load().from, run_.load().to_domain, number_, getpid());
  body_left_ = run_.body();
}

void SourceSession::on_final_reply(int code) {
  run_.count_reply(Stage::final, code);
  if (code >= 300) all_final_good_ = false;
  if (finals_left_ == 0 || --finals_left_ != 0) return;
  if (!body_left_.empty()) return close(true);  // refused in the middle of the content
  if (all_final_good_) run_.count_accepted(mail_ns_);
  if (code == 421) return close(true);
  next_message();
}

void SourceSession::quit() {
  out_ += "QUIT\r\n";
  state_ = State::quitting;
}

// Under TLS everything that is to go out goes through the session.
void SourceSession::encrypt() {
  if (tls_->state() == tls::Session::State::open) {
    tls_->send(out_);
    tls_->send(body_left_);
    out_.clear();
    body_left_ = {};
  }
  wire_ += tls_->take_output();
}

void SourceSession::flush() {
  if (tls_) encrypt();
  std::string& out = tls_ ? wire_ : out_;
  while (out_sent_ < out.size() || !body_left_.empty()) {
    std::array<iovec, 2> parts{};
    parts[0] = {out.data() + out_sent_, out.size() - out_sent_};
    parts[1] = {const_cast<char*>(body_left_.data()), body_left_.size()};
    ssize_t count = writev(fd_.get(), parts.data(), parts.size());
    if (count < 0) {
      if (errno != EAGAIN && errno != EINTR) return close(true);
      break;
    }
    auto from_out = std::min(static_cast<std::size_t>(count), out.size() - out_sent_);
    out_sent_ += from_out;
    body_left_.remove_prefix(static_cast<std::size_t>(count) - from_out);
  }
  bool blocked = out_sent_ < out.size() || !body_left_.empty();
  if (!blocked) {
    out.clear();
    out_sent_ = 0;
  }
  if (blocked == want_write_) return;
  want_write_ = blocked;
  epoll_.change(fd_.get(), blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
}

void SourceSession::close(bool broken) {
  if (broken) ++run_.lost;
  fd_.reset();
  // A broken connection is opened again by the main loop after a pause; a finished one at once.
  if (!broken) open();
}

}  // namespace postwain::bench
