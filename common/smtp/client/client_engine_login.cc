// AUTH (RFC 4954): what is offered goes to the host, octets go to and fro; what they mean is the
// host's business.
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/smtp/client/client_engine.h"

namespace postwain::smtp {

using mail::Stage;

namespace {

// Of a command (RFC 5321 4.5.3.1.4); a longer initial response waits for the challenge.
constexpr std::size_t kInitialResponseMax = 512;

}  // namespace

void ClientEngine::log_in() {
  if (!options_.login) return become_ready();
  if (!tls_on_ && !options_.login_without_tls)
    return fail_session(Stage::auth, {4, 7, 11},
                        "the route has a password, and the next hop "
                        "offers no TLS to send it under");
  if (peer_.mechanisms.empty())
    return fail_session(Stage::auth, {4, 7, 0},
                        "the route has a password, and the next hop offers no AUTH");
  state_ = State::login;
  emit(ClientEvent::Kind::log_in);
}

void ClientEngine::begin_login(std::string_view mechanism,
                               const std::optional<std::string>& initial) {
  if (state_ != State::login) return;  // the session ended meanwhile
  std::string line = fmt::format("AUTH {}", mechanism);
  if (initial) {
    // "=" stands for one that is empty (RFC 4954 4).
    std::string text = initial->empty() ? std::string("=") : base64_encode(*initial);
    if (line.size() + text.size() + 3 <= kInitialResponseMax)
      line += ' ' + text;
    else
      initial_ = std::move(text);
  }
  say(line + "\r\n", Command::auth);
}

void ClientEngine::take_challenge() {
  // What did not fit into the command is what an empty challenge asks for.
  if (!initial_.empty()) return say(std::exchange(initial_, {}) + "\r\n", Command::auth);
  // Some servers leave the padding out, others ask for name and password in plain words. What
  // counts as a challenge is the mechanism's business; one that needs octets fails by itself.
  std::string_view said = trim(parser_.text());
  std::string padded(said);
  while (padded.size() % 4 != 0) padded += '=';
  auto text = base64_decode(padded);
  emit(ClientEvent::Kind::challenge);
  events_.back().text = text ? *std::move(text) : std::string(said);
}

void ClientEngine::answer_challenge(std::string_view octets) {
  if (state_ == State::login) say(base64_encode(octets) + "\r\n", Command::auth);
}

void ClientEngine::accept_login() {
  if (state_ == State::login) become_ready();
}

void ClientEngine::fail_login(mail::EnhancedCode enhanced, std::string_view why) {
  if (state_ == State::login) fail_session(Stage::auth, enhanced, std::string(why));
}

}  // namespace postwain::smtp
