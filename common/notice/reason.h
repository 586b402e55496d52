// Why a recipient was not reached, as a class that a person understands: from the enhanced status
// code (RFC 3463, RFC 7372, RFC 7504), else from the reply's words, else from code and stage. Pure.
//
// It serves the words of a notice only. What is tried again is decided by the reply code alone
// (common/smtp/client/outcome_rules.h), so a wrong guess here costs a helpful sentence, never a
// message.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/mail/outcome.h"

namespace postwain::notice {

enum class Reason : std::uint8_t {
  unknown_user,
  bad_address,
  moved,
  mailbox_full,
  mailbox_off,
  host_not_found,
  no_mail_domain,
  too_large,
  blocked,
  policy,
  authentication,
  relay_denied,
  sender_refused,
  content,
  utf8,
  loop,
  greylisted,
  busy,
  unreachable,
  dns_trouble,
  security,
  expired,
  returned,
  refused,
  unknown,
};
constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::unknown) + 1;

std::string_view name_of(Reason reason);  // "unknown-user"

// reply: of the last attempt; code 0: our own words. expired: given up because time is over.
Reason reason_of(const mail::Reply& reply, mail::Stage stage, bool expired);

}  // namespace postwain::notice
