#include "db-link/relay_engine.h"

#include <utility>

#include "common/base/text.h"

namespace postwain::dblink {

namespace {

constexpr std::size_t kReasonMax = 300;

// Its length, and the number that stands where the version of the protocol would.
constexpr std::string_view kSslRequest("\0\0\0\x08\x04\xD2\x16\x2F", 8);

// The message ErrorResponse: fields of a letter and a text, which NUL ends, and a NUL behind them.
std::string error_message(std::string_view text) {
  std::string fields;
  auto add = [&fields](char letter, std::string_view value) {
    fields += letter;
    fields.append(value).push_back('\0');
  };
  add('S', "FATAL");
  add('V', "FATAL");
  add('C', "08001");  // sqlclient_unable_to_establish_sqlconnection
  add('M', text);
  fields.push_back('\0');
  std::size_t length = 4 + fields.size();
  std::string out(1, 'E');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xFF);
  return out + fields;
}

}  // namespace

Orders RelayEngine::connected() {
  if (state_ != State::dialing) return {};
  if (security_ == Security::clear) return begin_relaying();
  state_ = State::asking;
  Orders orders;
  orders.to_server = kSslRequest;
  return orders;
}

Orders RelayEngine::not_connected(std::string_view why) {
  return state_ == State::dialing ? fail(why) : Orders{};
}

Orders RelayEngine::secured() {
  return state_ == State::securing ? begin_relaying() : Orders{};
}

Orders RelayEngine::begin_relaying() {
  state_ = State::relaying;
  Orders orders;
  orders.to_server = std::exchange(held_, {});
  return orders;
}

Orders RelayEngine::from_server(std::string_view bytes) {
  if (bytes.empty()) return {};
  switch (state_) {
    case State::asking:
      return judge_answer(bytes);
    case State::relaying:
      break;
    case State::securing:
      return fail("it says something before TLS has begun");
    case State::dialing:
    case State::over:
      return {};
  }
  Orders orders;
  if (security_ == Security::clear) {
    orders.to_client = bytes;
    return orders;
  }
  orders.to_client = mechanisms_.feed(bytes);
  return mechanisms_.failed() ? fail("its request for the login cannot be read") : orders;
}

// One octet. What comes behind it was said by somebody before TLS, and would be taken for words of
// the server (CVE-2021-23222).
Orders RelayEngine::judge_answer(std::string_view bytes) {
  if (bytes.front() == 'N') return fail("it offers no TLS (ssl = on)");
  if (bytes.front() == 'E') return fail("it answers with an error where TLS was asked for");
  if (bytes.front() != 'S') return fail("it does not answer like a PostgreSQL server");
  if (bytes.size() > 1) return fail("it says something before TLS has begun");
  state_ = State::securing;
  Orders orders;
  orders.start_tls = true;
  return orders;
}

Orders RelayEngine::from_client(std::string_view bytes) {
  if (state_ == State::over) return {};
  Orders orders;
  if (state_ == State::relaying)
    orders.to_server = bytes;
  else
    held_ += bytes;
  return orders;
}

Orders RelayEngine::server_ended(std::string_view why) {
  if (state_ == State::over) return {};
  bool ends_in_order = state_ == State::relaying && why.empty();
  if (!ends_in_order) return fail(why.empty() ? "it ended the connection before TLS began" : why);
  state_ = State::over;
  Orders orders;
  orders.close = true;
  return orders;
}

Orders RelayEngine::client_ended() {
  if (state_ == State::over) return {};
  state_ = State::over;
  held_.clear();
  Orders orders;
  orders.close = true;
  return orders;
}

Orders RelayEngine::out_of_time() {
  switch (state_) {
    case State::dialing:
      return fail("it cannot be reached in time");
    case State::asking:
      return fail("no answer in time to the request for TLS");
    case State::securing:
      return fail("the handshake of TLS takes too long");
    case State::relaying:
    case State::over:
      break;
  }
  return {};
}

Orders RelayEngine::fail(std::string_view why) {
  Orders orders;
  failure_ = printable(why, kReasonMax);
  if (state_ != State::relaying) orders.to_client = error_message(name_ + ": " + failure_);
  state_ = State::over;
  held_.clear();
  orders.close = true;
  return orders;
}

bool RelayEngine::reads_client(std::size_t unsent_to_server) const {
  return state_ != State::over && held_.size() < kUnsentMax && unsent_to_server < kUnsentMax;
}

bool RelayEngine::reads_server(std::size_t unsent_to_client) const {
  return state_ != State::over && unsent_to_client < kUnsentMax;
}

}  // namespace postwain::dblink
