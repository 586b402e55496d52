// AUTH in a server session (RFC 4954): lines and base64. What a mechanism means is the host's
// business (common/sasl).
#include "common/base/text.h"
#include "common/smtp/server/server_engine.h"
#include "common/smtp/syntax/reply_writer.h"

namespace postwain::smtp {

std::size_t ServerEngine::line_max() const {
  return options_.auth ? kAuthLineMax : kCommandLineMax;
}

bool ServerEngine::auth_offers(std::string_view mechanism) {
  for (std::string_view offered : split(auth_offered_, ' ')) {
    if (mechanism.empty() || !iequals(offered, mechanism)) continue;
    auth_mechanism_ = offered;
    return true;
  }
  return false;
}

// "AUTH" SP sasl-mech [ SP initial-response ] CRLF    initial-response = base64 / "="
std::optional<Event> ServerEngine::obey_auth(std::string_view argument) {
  std::size_t space = std::min(argument.find(' '), argument.size());
  std::string_view initial = trim(argument.substr(space));
  if (!options_.auth) {
    reply(502, {5, 5, 1}, "Error: AUTH not offered");
  } else if (!extended_) {
    reply(503, {5, 5, 1}, "Error: AUTH needs EHLO");
  } else if (authenticated_) {
    reply(503, {5, 5, 1}, "Error: already authenticated");
  } else if (!auth_allowed()) {
    reply(538, {5, 7, 11}, "Encryption required for authentication");
  } else if (argument.empty() || initial.find(' ') != std::string_view::npos) {
    reply(501, {5, 5, 4}, "Syntax: AUTH mechanism [initial-response]");
  } else if (!auth_offers(argument.substr(0, space))) {
    reply(504, {5, 5, 4}, "Error: mechanism not offered");
  } else if (initial.empty()) {
    auth_response_.reset();
    return ask(EventKind::auth);
  } else if (auto decoded = base64_decode(initial == "=" ? std::string_view() : initial)) {
    auth_response_ = std::move(decoded);
    return ask(EventKind::auth);
  } else {
    return end_auth(501, {5, 5, 2}, "Error: this is no base64");
  }
  return std::nullopt;
}

// Said without being noted: the event tells it.
Event ServerEngine::end_auth(int code, mail::EnhancedCode enhanced, std::string_view text) {
  auth_response_.reset();
  Event event{EventKind::auth_over, {}, {code, enhanced, std::string(text)}};
  say(event.reply);
  count_error();
  return event;
}

std::optional<Event> ServerEngine::take_auth_line(const Line& line) {
  mode_ = Mode::commands;
  if (line.problem == LineProblem::none && line.text != "*") {
    if (auto decoded = base64_decode(line.text)) {
      auth_response_ = std::move(decoded);
      return ask(EventKind::auth);
    }
  }
  if (line.problem == LineProblem::too_long)
    return end_auth(500, {5, 5, 6}, "Error: line too long");
  if (line.problem != LineProblem::none || line.text != "*")
    return end_auth(501, {5, 5, 2}, "Error: this is no base64");
  return end_auth(501, {5, 7, 0}, "Authentication cancelled");
}

void ServerEngine::answer_auth(const mail::Reply& reply_given) {
  auth_response_.reset();
  if (reply_given.code == 334) {
    // Not cut to the length of a reply line: it would be another challenge then.
    ++replies_said_[3];
    output_ += "334 " + base64_encode(reply_given.text) + "\r\n";
    mode_ = Mode::auth;
    return;
  }
  authenticated_ = reply_given.positive();
  reply(reply_given);
}

}  // namespace postwain::smtp
