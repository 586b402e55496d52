// The commands of a server session, in the order of RFC 5321 4.1.1. The grammar of MAIL and RCPT is
// in mail_command.cc and rcpt_command.cc; which command may come when is in server_table.cc.
#include <fmt/format.h>

#include "common/base/text.h"
#include "common/smtp/server/server_engine.h"
#include "common/smtp/syntax/domain_syntax.h"
#include "common/smtp/syntax/rcpt_command.h"
#include "common/smtp/syntax/reply_writer.h"

namespace postwain::smtp {

namespace {

// Whether a line of that verb may be told to the operator. What is no command may be the password
// of a client that went on after its AUTH was refused.
bool may_be_told(Verb verb) {
  return verb != Verb::auth && verb != Verb::unknown && verb != Verb::xclient;
}

std::string_view text_of(LineProblem problem) {
  switch (problem) {
    case LineProblem::none:
      break;
    case LineProblem::too_long:
      return "Error: line too long";
    case LineProblem::lone_cr_or_lf:
      return "Error: lone CR or LF, lines end with CRLF";
    case LineProblem::nul:
      return "Error: NUL in command";
  }
  return "Error";
}

}  // namespace

std::optional<Event> ServerEngine::take_line(const Line& line) {
  std::size_t space = line.text.find(' ');
  std::string_view word = line.text.substr(0, space);
  Verb verb = find_verb(word, options_.dialect);
  // To whom they are not offered they do not exist.
  if ((verb == Verb::xclient && !options_.xclient) ||
      (verb == Verb::xforward && !options_.xforward))
    verb = Verb::unknown;
  stage_ = name_of(verb);
  if (verb == Verb::hello) stage_ = options_.dialect.hello;
  line_ = may_be_told(verb) ? line.text : std::string_view();
  // Only AUTH may be longer, for its initial response.
  if (line.text.size() + 2 > kCommandLineMax && verb != Verb::auth)
    return take_line({{}, LineProblem::too_long});
  if (line.problem != LineProblem::none) {
    reply(500, {5, 5, 2}, text_of(line.problem));
    // How many octets follow this BDAT is not known, and they must never be read as commands.
    if (verb == Verb::bdat) close("bad BDAT line");
    return std::nullopt;
  }
  std::string_view argument;
  if (space != std::string_view::npos) argument = trim(line.text.substr(space));
  if (verb == Verb::mail && options_.tls_required && !tls_ && state_ != ServerState::refused) {
    reply(530, {5, 7, 0}, "Must issue a STARTTLS command first");
    return std::nullopt;
  }
  // BDAT is followed by octets whatever the state; it looks at the table itself.
  if (verb == Verb::bdat) return take_bdat(argument);
  Ruling verdict = ruling(state_, verb);
  if (verdict != Ruling::obey) {
    reply(sequence_reply(verdict));
    return std::nullopt;
  }
  if (verb == Verb::unknown && options_.ask.unknown_command) return ask_unknown(line.text);
  return obey(verb, argument);
}

Event ServerEngine::ask_unknown(std::string_view line) {
  unknown_command_ = line;
  return ask(EventKind::unknown_command);
}

void ServerEngine::answer_unknown(const mail::Reply& reply_given) {
  unknown_command_.clear();
  if (reply_given.code != 0) return reply(reply_given);
  answering_ = false;  // the host has no word in it
  obey(Verb::unknown, {});
}

std::optional<Event> ServerEngine::obey(Verb verb, std::string_view argument) {
  switch (verb) {
    case Verb::hello:
      return obey_hello(argument, true);
    case Verb::helo:
      return obey_hello(argument, false);
    case Verb::mail:
      return obey_mail(argument);
    case Verb::rcpt:
      return obey_rcpt(argument);
    case Verb::data:
      return obey_data(argument);
    case Verb::bdat:
      return take_bdat(argument);
    case Verb::rset:
      obey_rset(argument);
      break;
    case Verb::noop:
      reply(250, {2, 0, 0}, "Ok");
      count_idle();
      break;
    case Verb::quit:
      obey_quit(argument);
      break;
    case Verb::vrfy:
      obey_vrfy(argument);
      break;
    case Verb::expn:
      reply(502, {5, 5, 1}, "Error: EXPN not implemented");
      break;
    case Verb::help:
      reply(214, {2, 0, 0}, "See RFC 5321");
      count_idle();
      break;
    case Verb::starttls:
      return obey_starttls(argument);
    case Verb::auth:
      return obey_auth(argument);
    case Verb::xclient:
    case Verb::xforward:
      return obey_claim(verb, argument);
    case Verb::obsolete:
      reply(502, {5, 5, 1}, "Error: command not implemented");
      break;
    case Verb::http:
      shut_down({421, {4, 7, 0}, "Error: this is no web server"}, "HTTP");
      break;
    case Verb::unknown:
      reply(500, {5, 5, 2}, "Error: command not recognized");
      break;
  }
  return std::nullopt;
}

// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF    helo = "HELO" SP Domain CRLF
std::optional<Event> ServerEngine::obey_hello(std::string_view argument, bool extended) {
  if (!client_known_ && !options_.any_hello && !is_hello_name(argument)) {
    reply(501, {5, 5, 4}, "Syntax: hello needs your host name or [address]");
    return std::nullopt;
  }
  end_transaction();
  hello_name_ = harmless_hello(argument);
  extended_ = extended;
  return ask(EventKind::hello);
}

void ServerEngine::answer_hello(const mail::Reply& reply_given) {
  if (!reply_given.positive()) {
    hello_name_.clear();
    state_ = ServerState::fresh;
    return reply(reply_given);
  }
  state_ = ServerState::ready;
  ++replies_said_[2];
  output_ += fmt::format("250{}{}\r\n", extended_ ? '-' : ' ', options_.hostname);
  if (extended_) {
    output_ += fmt::format("250-PIPELINING\r\n250-SIZE {}\r\n", options_.message_size);
    if (options_.starttls && !tls_) output_ += "250-STARTTLS\r\n";
    if (auth_allowed() && !auth_offered_.empty())
      output_ += fmt::format("250-AUTH {}\r\n", auth_offered_);
    if (tls_) output_ += "250-REQUIRETLS\r\n";
    if (options_.xclient) output_ += fmt::format("250-XCLIENT {}\r\n", kXclientAttributes);
    if (options_.xforward) output_ += fmt::format("250-XFORWARD {}\r\n", kXforwardAttributes);
    // RFC 9422: beyond it RCPT gets 452.
    output_ += fmt::format("250-LIMITS RCPTMAX={}\r\n", options_.recipients);
    output_ +=
        "250-ENHANCEDSTATUSCODES\r\n"
        "250-8BITMIME\r\n"
        "250-BINARYMIME\r\n";
    if (options_.dsn) output_ += "250-DSN\r\n";
    output_ +=
        "250-SMTPUTF8\r\n"
        "250 CHUNKING\r\n";
  }
  count_idle();
}

std::string_view ServerEngine::bare_origin() const {
  return client_known_ ? std::string_view(options_.bare_origin) : std::string_view();
}

std::optional<Event> ServerEngine::obey_mail(std::string_view argument) {
  mail_ = MailCommand();
  if (auto refusal = parse_mail(argument, mail_, bare_origin())) {
    reply(*refusal);
    return std::nullopt;
  }
  // RFC 8689 3: REQUIRETLS is offered under TLS only.
  if ((mail_.auth && !options_.auth) || (mail_.envelope.require_tls && !tls_)) {
    reply(unknown_parameter_reply());
    return std::nullopt;
  }
  if (mail_.size.value_or(0) > options_.message_size) {
    reply(552, {5, 3, 4}, "Error: message larger than allowed");
    return std::nullopt;
  }
  return ask(EventKind::mail);
}

std::optional<Event> ServerEngine::obey_rcpt(std::string_view argument) {
  rcpt_ = mail::Recipient();
  if (auto refusal = parse_rcpt(argument, envelope_.smtputf8, rcpt_, bare_origin())) {
    reply(*refusal);
    return std::nullopt;
  }
  if (transaction_.recipients >= options_.recipients) {
    reply(452, {4, 5, 3}, "Error: too many recipients");
    if (++transaction_.recipients_over > kRecipientOvershoot) count_error();
    return std::nullopt;
  }
  return ask(EventKind::rcpt);
}

// data = "DATA" CRLF
std::optional<Event> ServerEngine::obey_data(std::string_view argument) {
  if (!argument.empty()) {
    reply(501, {5, 5, 4}, "Syntax: DATA");
    return std::nullopt;
  }
  // RFC 3030 3: binary content has no lines, so no dot can end it.
  if (envelope_.body == mail::BodyType::binary_mime) {
    reply(503, {5, 5, 1}, "Error: BINARYMIME needs BDAT");
    return std::nullopt;
  }
  return ask(EventKind::data);
}

// rset = "RSET" CRLF
void ServerEngine::obey_rset(std::string_view argument) {
  if (!argument.empty()) return reply(501, {5, 5, 4}, "Syntax: RSET");
  end_transaction();
  reply(250, {2, 0, 0}, "Ok");
  count_idle();
}

// vrfy = "VRFY" SP String CRLF
// Never tells whether a mailbox exists (RFC 5321 7.3).
void ServerEngine::obey_vrfy(std::string_view argument) {
  if (argument.empty()) return reply(501, {5, 5, 4}, "Syntax: VRFY address");
  reply(252, {2, 0, 0}, "Cannot VRFY user, but will accept message and attempt delivery");
  count_idle();
}

// quit = "QUIT" CRLF
void ServerEngine::obey_quit(std::string_view argument) {
  if (!argument.empty()) return reply(501, {5, 5, 4}, "Syntax: QUIT");
  shut_down({221, {2, 0, 0}, "Bye"}, "quit");
}

std::optional<Event> ServerEngine::obey_claim(Verb verb, std::string_view argument) {
  bool xclient = verb == Verb::xclient;
  ClientClaim claim = claim_;
  if (auto refusal =
          parse_claim(argument, xclient ? ClaimKind::xclient : ClaimKind::xforward, claim)) {
    reply(*refusal);
    return std::nullopt;
  }
  claim_ = std::move(claim);
  return ask(xclient ? EventKind::xclient : EventKind::xforward);
}

// starttls = "STARTTLS" CRLF, RFC 3207 4
std::optional<Event> ServerEngine::obey_starttls(std::string_view argument) {
  if (tls_)
    reply(503, {5, 5, 1}, "Error: TLS already active");
  else if (!options_.starttls)
    reply(502, {5, 5, 1}, "Error: STARTTLS not offered");
  else if (!argument.empty())
    reply(501, {5, 5, 4}, "Syntax: STARTTLS");
  else if (!reader_.empty())
    // Commands injected by someone in the middle would otherwise be obeyed as if they had come
    // inside TLS (CVE-2011-0411).
    shut_down({554, {5, 5, 1}, "Error: commands received behind STARTTLS"},
              "commands behind STARTTLS");
  else
    return ask(EventKind::starttls);
  return std::nullopt;
}

}  // namespace postwain::smtp
