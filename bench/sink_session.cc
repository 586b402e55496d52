#include "bench/sink_session.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/text.h"

namespace postwain::bench {

namespace {

constexpr std::size_t kReadBytes = 256U << 10;
constexpr std::size_t kUnsentMax = 1 << 20;
constexpr std::string_view kEndOfData = "\r\n.\r\n";

}  // namespace

std::string SinkCounts::json() const {
  return fmt::format(
      "{{\"messages\":{},\"recipients\":{},\"refused\":{},\"connections\":{},\"open\":{},"
      "\"bytes\":{},\"handshakes\":{},\"resumed\":{},\"first_ns\":{},\"last_ns\":{}}}\n",
      messages, recipients, refused, connections, open, bytes, handshakes, resumed, first_ns,
      last_ns);
}

SinkSession::SinkSession(UniqueFd fd, const SinkSetup& setup, SinkCounts& counts, Epoll& epoll)
    : fd_(std::move(fd)), setup_(setup), counts_(counts), epoll_(epoll) {
  ++counts_.connections;
  ++counts_.open;
  epoll_.add(fd_.get(), EPOLLIN, this);
  out_ = setup_.lmtp ? "220 sink.example LMTP\r\n" : "220 sink.example ESMTP\r\n";
  flush();
}

SinkSession::~SinkSession() {
  --counts_.open;
}

bool SinkSession::on_event(std::uint32_t events) {
  static std::array<char, kReadBytes> buffer;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && out_.size() < kUnsentMax) {
    ssize_t count = read(fd_.get(), buffer.data(), buffer.size());
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (count > 0) {
      set_quick_ack(fd_.get());
      std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
      if (tls_ && !decrypt(bytes)) return false;
      take(tls_ ? std::string_view(plain_) : bytes);
    }
  }
  if (!flush()) return false;
  return !(quit_ && out_.empty() && wire_.empty());
}

// False: the session is over.
bool SinkSession::decrypt(std::string_view bytes) {
  bool shook = tls_->state() == tls::Session::State::handshaking;
  plain_.clear();
  tls::Session::State state = tls_->receive(bytes, plain_);
  if (shook && state == tls::Session::State::open) {
    ++counts_.handshakes;
    counts_.resumed += tls_->resumed() ? 1 : 0;
  }
  return state == tls::Session::State::handshaking || state == tls::Session::State::open;
}

void SinkSession::take(std::string_view bytes) {
  while (!bytes.empty() && !quit_) {
    if (in_data_) {
      take_data(bytes);
    } else if (chunk_left_ != 0) {
      take_chunk(bytes);
    } else {
      take_lines(bytes);
    }
  }
}

void SinkSession::take_lines(std::string_view& bytes) {
  auto end = bytes.find('\n');
  if (end == std::string_view::npos) {
    in_.append(bytes);
    bytes = {};
    return;
  }
  std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  std::string whole;
  if (!in_.empty()) {
    whole = std::exchange(in_, {});
    whole.append(line);
    line = whole;
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  on_command(line);
}

void SinkSession::take_data(std::string_view& bytes) {
  // The end may lie across two reads: look at the joint first, then in the rest.
  std::string joint(tail_.data(), tail_.size());
  joint.append(bytes.substr(0, kEndOfData.size() - 1));
  if (auto at = joint.find(kEndOfData); at != std::string::npos) {
    std::size_t used = at + kEndOfData.size() - tail_.size();
    counts_.bytes += used;
    bytes.remove_prefix(used);
    return end_content();
  }
  auto at = bytes.find(kEndOfData);
  std::size_t used = at == std::string_view::npos ? bytes.size() : at + kEndOfData.size();
  counts_.bytes += used;
  if (at == std::string_view::npos) {
    joint.assign(tail_.data(), tail_.size());
    joint.append(bytes.substr(bytes.size() - std::min(bytes.size(), tail_.size())));
    std::copy(joint.end() - static_cast<std::ptrdiff_t>(tail_.size()), joint.end(), tail_.begin());
  }
  bytes.remove_prefix(used);
  if (at != std::string_view::npos) end_content();
}

void SinkSession::take_chunk(std::string_view& bytes) {
  auto used = std::min<std::uint64_t>(chunk_left_, bytes.size());
  counts_.bytes += used;
  bytes.remove_prefix(used);
  chunk_left_ -= used;
  if (chunk_left_ != 0) return;
  if (chunk_last_) {
    end_content();
  } else {
    out_ += "250 2.0.0 chunk\r\n";
  }
}

void SinkSession::on_command(std::string_view line) {
  std::string_view verb = line.substr(0, 4);
  if (iequals(verb, "MAIL")) {
    recipients_ = 0;
    out_ += "250 2.1.0 Ok\r\n";
  } else if (iequals(verb, "RCPT")) {
    on_rcpt();
  } else if (iequals(verb, "DATA")) {
    if (recipients_ == 0) {
      out_ += "554 5.5.1 no valid recipients\r\n";
      return;
    }
    in_data_ = true;
    std::copy_n("\0\0\0\r\n", tail_.size(), tail_.begin());  // an empty content ends with ".CRLF"
    out_ += "354 go on\r\n";
  } else if (iequals(verb, "BDAT")) {
    on_bdat(line.substr(std::min<std::size_t>(line.size(), 5)));
  } else if (iequals(verb, "EHLO") || iequals(verb, "LHLO") || iequals(verb, "HELO")) {
    on_hello(line);
  } else if (setup_.tls != nullptr && !tls_ && iequals(line, "STARTTLS")) {
    out_ += "220 2.0.0 go on\r\n";
    start_tls_ = true;
  } else if (iequals(verb, "QUIT")) {
    quit_ = true;
    out_ += "221 2.0.0 Bye\r\n";
  } else if (iequals(verb, "RSET") || iequals(verb, "NOOP")) {
    end_transaction();
    out_ += "250 2.0.0 Ok\r\n";
  } else {
    out_ += "500 5.5.2 not known here\r\n";
  }
}

void SinkSession::on_hello(std::string_view line) {
  if (iequals(line.substr(0, 4), "HELO")) {
    out_ += "250 sink.example\r\n";
    return;
  }
  out_ += "250-sink.example\r\n";
  if (setup_.pipelining) out_ += "250-PIPELINING\r\n";
  if (setup_.chunking) out_ += "250-CHUNKING\r\n";
  if (setup_.tls != nullptr && !tls_) out_ += "250-STARTTLS\r\n";
  out_ += "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n";
}

void SinkSession::on_rcpt() {
  if (!setup_.rcpt_reply.empty() && ++counts_.rcpts % setup_.rcpt_every == 0) {
    ++counts_.refused;
    out_ += setup_.rcpt_reply + "\r\n";
    return;
  }
  ++recipients_;
  out_ += "250 2.1.5 Ok\r\n";
}

void SinkSession::on_bdat(std::string_view arguments) {
  auto space = arguments.find(' ');
  auto length = parse_decimal<std::uint64_t>(arguments.substr(0, space));
  if (!length) {  // where the content ends is not known, so nothing after it can be obeyed
    quit_ = true;
    out_ += "501 5.5.4 BDAT without length\r\n";
    return;
  }
  chunk_left_ = *length;
  chunk_last_ = space != std::string_view::npos && iequals(trim(arguments.substr(space)), "LAST");
  if (chunk_left_ != 0) return;
  if (chunk_last_) {
    end_content();
  } else {
    out_ += "250 2.0.0 chunk\r\n";
  }
}

// RFC 2033 4.2: LMTP answers once for each recipient it accepted, SMTP once.
void SinkSession::end_content() {
  std::uint64_t replies = setup_.lmtp ? recipients_ : 1;
  std::uint64_t per_reply = setup_.lmtp ? 1 : recipients_;
  std::uint64_t good = 0;
  for (std::uint64_t i = 0; i < replies; ++i) {
    if (recipients_ == 0) {
      out_ += "554 5.5.1 no valid recipients\r\n";
    } else if (!setup_.final_reply.empty() && ++counts_.finals % setup_.final_every == 0) {
      ++counts_.refused;
      out_ += setup_.final_reply + "\r\n";
    } else {
      good += per_reply;
      out_ += "250 2.0.0 Ok\r\n";
    }
  }
  if (good != 0) {
    ++counts_.messages;
    counts_.recipients += good;
    counts_.last_ns = now_ns();
    if (counts_.first_ns == 0) counts_.first_ns = counts_.last_ns;
  }
  end_transaction();
}

void SinkSession::end_transaction() {
  in_data_ = false;
  chunk_last_ = false;
  chunk_left_ = 0;
  recipients_ = 0;
}

bool SinkSession::flush() {
  if (tls_) {
    tls_->send(out_);
    out_.clear();
    wire_ += tls_->take_output();
  }
  std::string& out = tls_ ? wire_ : out_;
  if (!out.empty()) {
    ssize_t count = send(fd_.get(), out.data(), out.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) out.erase(0, static_cast<std::size_t>(count));
  }
  bool blocked = !out.empty();
  if (start_tls_ && !blocked) {
    start_tls_ = false;
    tls_.emplace(tls::Session::server(*setup_.tls));
  }
  if (blocked != want_write_) {
    want_write_ = blocked;
    epoll_.change(fd_.get(), blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }
  return true;
}

}  // namespace postwain::bench
