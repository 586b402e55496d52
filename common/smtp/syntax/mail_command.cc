#include "common/smtp/syntax/mail_command.h"

#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/server_limits.h"
#include "common/smtp/syntax/xtext.h"

namespace postwain::smtp {

namespace {

enum class Key : std::uint8_t { size, body, smtputf8, ret, envid, auth, require_tls, unknown };

Key key_of(std::string_view keyword) {
  if (iequals(keyword, "SIZE")) return Key::size;
  if (iequals(keyword, "BODY")) return Key::body;
  if (iequals(keyword, "SMTPUTF8")) return Key::smtputf8;
  if (iequals(keyword, "RET")) return Key::ret;
  if (iequals(keyword, "ENVID")) return Key::envid;
  if (iequals(keyword, "AUTH")) return Key::auth;
  if (iequals(keyword, "REQUIRETLS")) return Key::require_tls;
  return Key::unknown;
}

// "SIZE=" 1*20DIGIT. A number beyond 64 bits is a size too, and too large for everybody.
bool take_size(std::string_view value, MailCommand& command) {
  if (value.empty() || value.size() > 20) return false;
  for (char c : value)
    if (!is_digit(c)) return false;
  command.size = parse_decimal<std::uint64_t>(value).value_or(UINT64_MAX);
  return true;
}

// "BODY=" ( "7BIT" / "8BITMIME" / "BINARYMIME" )
bool take_body(std::string_view value, MailCommand& command) {
  if (iequals(value, "7BIT"))
    command.envelope.body = mail::BodyType::seven_bit;
  else if (iequals(value, "8BITMIME"))
    command.envelope.body = mail::BodyType::eight_bit_mime;
  else if (iequals(value, "BINARYMIME"))
    command.envelope.body = mail::BodyType::binary_mime;
  else
    return false;
  return true;
}

// "RET=" ( "FULL" / "HDRS" )
bool take_ret(std::string_view value, MailCommand& command) {
  if (iequals(value, "FULL"))
    command.envelope.ret = mail::DsnReturn::full;
  else if (iequals(value, "HDRS"))
    command.envelope.ret = mail::DsnReturn::headers;
  else
    return false;
  return true;
}

// "ENVID=" xtext
bool take_envid(std::string_view value, MailCommand& command) {
  if (value.size() > kEnvidMax) return false;
  auto envid = xtext_decode(value);
  if (!envid || envid->empty()) return false;
  command.envelope.envid = *std::move(envid);
  return true;
}

// "AUTH=" ( "<>" / xtext mailbox ), RFC 4954 5. It vouches for nobody here, so it is only checked.
bool take_auth(std::string_view value, MailCommand& command) {
  if (value.size() > kOrcptMax) return false;
  auto mailbox = xtext_decode(value);
  if (!mailbox || mailbox->empty()) return false;
  command.auth = true;
  return true;
}

bool take(Key key, const EsmtpParameter& parameter, MailCommand& command) {
  switch (key) {
    case Key::size:
      return take_size(parameter.value, command);
    case Key::body:
      return take_body(parameter.value, command);
    case Key::smtputf8:
      command.envelope.smtputf8 = true;
      return !parameter.has_value;
    case Key::ret:
      return take_ret(parameter.value, command);
    case Key::envid:
      return take_envid(parameter.value, command);
    case Key::auth:
      return take_auth(parameter.value, command);
    case Key::require_tls:
      command.envelope.require_tls = true;
      return !parameter.has_value;
    case Key::unknown:
      return false;
  }
  return false;
}

Refusal parse_parameters(std::string_view text, MailCommand& command) {
  EsmtpParameters parameters(text);
  unsigned seen = 0;
  while (auto parameter = parameters.next()) {
    Key key = key_of(parameter->keyword);
    if (key == Key::unknown) return unknown_parameter_reply();
    unsigned bit = 1U << static_cast<unsigned>(key);
    if ((seen & bit) != 0 || !take(key, *parameter, command))
      return bad_parameter_reply(to_lower(parameter->keyword));
    seen |= bit;
  }
  if (parameters.bad()) return mail::Reply{501, {5, 5, 4}, "Syntax error in parameters"};
  return std::nullopt;
}

mail::Reply mail_path_refusal(PathProblem problem) {
  switch (problem) {
    case PathProblem::no_brackets:
      return {501, {5, 5, 4}, "Syntax: MAIL FROM:<address>"};
    case PathProblem::no_domain:
      return {501, {5, 1, 7}, "Sender address needs a domain"};
    case PathProblem::too_long:
      return {501, {5, 1, 7}, "Path too long"};
    case PathProblem::bad_name:
      return {501, {5, 1, 7}, "The sender's domain is no valid internationalized name"};
    case PathProblem::none:
    case PathProblem::syntax:
      break;
  }
  return {501, {5, 1, 7}, "Bad sender address syntax"};
}

}  // namespace

// mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]
// Spaces behind the colon are not in the grammar, but too many programs send one.
Refusal parse_mail(std::string_view argument, MailCommand& command, std::string_view origin) {
  if (!istarts_with(argument, "FROM:"))
    return mail::Reply{501, {5, 5, 4}, "Syntax: MAIL FROM:<address>"};
  argument = argument.substr(5);
  while (!argument.empty() && argument.front() == ' ') argument.remove_prefix(1);
  PathProblem problem = PathProblem::none;
  auto path = origin.empty() ? parse_path(argument, PathKind::reverse, &problem)
                             : parse_bare_path(argument, PathKind::reverse, origin, &problem);
  if (!path) return mail_path_refusal(problem);
  command.envelope.reverse_path = std::move(path->address);
  if (auto refusal = parse_parameters(argument.substr(path->size), command)) return refusal;
  if (command.envelope.reverse_path.is_utf8() && !command.envelope.smtputf8)
    return mail::Reply{550, {5, 6, 7}, "Non-ASCII address needs SMTPUTF8"};
  return std::nullopt;
}

}  // namespace postwain::smtp
