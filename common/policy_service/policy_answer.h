// What a policy service answers: the words of Postfix's access(5) that it may use, each with its
// text. Nothing of it is believed before it is bounded here. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/mail/reply.h"

namespace postwain::policy_service {

constexpr std::size_t kAnswerTextMax = 480;   // octets of a text for the client or an operator
constexpr std::size_t kAnswerFieldMax = 998;  // of a header field (RFC 5322 2.1.1)
constexpr std::size_t kAnswerAddressMax = 512;

enum class Action : std::uint8_t {
  none,             // DUNNO, or no word at all
  permit,           // OK, RELAY, a number: this service has no objection
  refuse,           // REJECT, 5NN
  defer,            // DEFER, 4NN
  hang_up,          // HANGUP, 421
  defer_if_permit,  // deferred where nobody else refuses
  defer_if_reject,  // a permanent refusal of somebody else is a temporary one
  hold,
  discard,
  redirect,    // all recipients are replaced by one
  blind_copy,  // BCC: one recipient more
  prepend,     // a header field above all others
  remark,      // INFO, WARN: for the history
  mistake,     // understood, and cannot be done; text says why
};
std::string_view name_of(Action action);

struct Answer {
  Action action = Action::none;
  mail::Reply reply{};       // of those that refuse or defer; without text where none was given
  std::string text{};        // of hold, remark, mistake; the value of the field; the address
  std::string field_name{};  // of prepend
};

// What stands behind "action=". Nothing: it is no word of the protocol, and the service has failed.
//
// An enhanced code of another class than the reply, or none, becomes x.7.1. FILTER is a mistake
// (there is no way to give one message a route of its own), and so are a field or an address that
// cannot be one.
std::optional<Answer> read_action(std::string_view action);

}  // namespace postwain::policy_service
