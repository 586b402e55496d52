#include "common/smtp/syntax/rcpt_command.h"

#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/server_limits.h"
#include "common/smtp/syntax/xtext.h"

namespace postwain::smtp {

namespace {

// notify-esmtp-value = "NEVER" / 1#notify-list-element
// notify-list-element = "SUCCESS" / "FAILURE" / "DELAY"
bool take_notify(std::string_view value, mail::Recipient& recipient) {
  std::uint8_t bits = 0;
  for (std::string_view element : split(value, ',')) {
    std::uint8_t bit = iequals(element, "NEVER")     ? mail::Notify::never
                       : iequals(element, "SUCCESS") ? mail::Notify::success
                       : iequals(element, "FAILURE") ? mail::Notify::failure
                       : iequals(element, "DELAY")   ? mail::Notify::delay
                                                     : mail::Notify::unspecified;
    if (bit == 0) return false;
    bits |= bit;
  }
  if ((bits & mail::Notify::never) != 0 && bits != mail::Notify::never) return false;
  recipient.notify.bits = bits;
  return true;
}

// "ORCPT=" original-recipient-address
bool take_orcpt(std::string_view value, bool smtputf8, mail::Recipient& recipient) {
  if (value.size() > kOrcptMax || (!smtputf8 && !is_ascii(value))) return false;
  auto orcpt = orcpt_decode(value);
  if (!orcpt) return false;
  recipient.orcpt = *std::move(orcpt);
  return true;
}

Refusal parse_parameters(std::string_view text, bool smtputf8, mail::Recipient& recipient) {
  EsmtpParameters parameters(text);
  bool notify_seen = false;
  bool orcpt_seen = false;
  while (auto parameter = parameters.next()) {
    if (iequals(parameter->keyword, "NOTIFY")) {
      if (notify_seen || !take_notify(parameter->value, recipient))
        return bad_parameter_reply("notify");
      notify_seen = true;
    } else if (iequals(parameter->keyword, "ORCPT")) {
      if (orcpt_seen || !take_orcpt(parameter->value, smtputf8, recipient))
        return bad_parameter_reply("orcpt");
      orcpt_seen = true;
    } else {
      return unknown_parameter_reply();
    }
  }
  if (parameters.bad()) return mail::Reply{501, {5, 5, 4}, "Syntax error in parameters"};
  return std::nullopt;
}

mail::Reply rcpt_path_refusal(PathProblem problem) {
  switch (problem) {
    case PathProblem::no_brackets:
      return {501, {5, 5, 4}, "Syntax: RCPT TO:<address>"};
    case PathProblem::no_domain:
      return {501, {5, 1, 3}, "Recipient address needs a domain"};
    case PathProblem::too_long:
      return {501, {5, 1, 3}, "Path too long"};
    case PathProblem::bad_name:
      return {501, {5, 1, 3}, "The recipient's domain is no valid internationalized name"};
    case PathProblem::none:
    case PathProblem::syntax:
      break;
  }
  return {501, {5, 1, 3}, "Bad recipient address syntax"};
}

}  // namespace

// rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP
// Rcpt-parameters]
Refusal parse_rcpt(std::string_view argument, bool smtputf8, mail::Recipient& recipient,
                   std::string_view origin) {
  if (!istarts_with(argument, "TO:"))
    return mail::Reply{501, {5, 5, 4}, "Syntax: RCPT TO:<address>"};
  argument = argument.substr(3);
  while (!argument.empty() && argument.front() == ' ') argument.remove_prefix(1);
  PathProblem problem = PathProblem::none;
  auto path = origin.empty() ? parse_path(argument, PathKind::forward, &problem)
                             : parse_bare_path(argument, PathKind::forward, origin, &problem);
  if (!path) return rcpt_path_refusal(problem);
  recipient.address = std::move(path->address);
  if (auto refusal = parse_parameters(argument.substr(path->size), smtputf8, recipient))
    return refusal;
  if (recipient.address.is_utf8() && !smtputf8)
    return mail::Reply{553, {5, 6, 7}, "Non-ASCII address needs SMTPUTF8"};
  return std::nullopt;
}

}  // namespace postwain::smtp
