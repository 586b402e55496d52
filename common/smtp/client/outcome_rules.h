// What a reply, or its absence, means for a recipient. Pure: one table in outcome_rules.cc, the
// policy in prose above it. Ruled by RFC 5321 4.2.1, 4.5.3.1.10, 4.5.3.2, RFC 2033 4.2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/mail/outcome.h"
#include "common/smtp/syntax/dialect.h"

namespace postwain::smtp {

enum class ReplyClass : std::uint8_t {
  positive,   // 2yz; also 354 to DATA, 334 to AUTH
  transient,  // 4yz; also 552 to RCPT, and "too many recipients"
  permanent,  // 5yz
  closing,    // 421: the server leaves, whatever the command was
  none,       // lost connection, time-out, or something that is no reply to this command
};

ReplyClass classify(mail::Stage stage, int code);
// The same, and what the enhanced status says: 552 to RCPT with a status of its own (5.2.2, over
// quota) is the verdict it is, and "too many recipients" means later, whatever its class.
ReplyClass classify(mail::Stage stage, const mail::Reply& reply);

// RFC 5321 4.5.3.1.10: the transaction is full, with 552 in old servers and with any code where the
// status is x.5.3 or the text says so; of this recipient nothing is said. Another status is about
// him.
bool is_too_many(const mail::Reply& reply);
// The command was not understood or not wanted in this form; nothing is said of the mail.
bool is_refusal_of_form(const mail::Reply& reply);
// The server takes nothing in clear: 530, 523, 538, x.7.x, words. Any refusal of MAIL counts, since
// it is only asked where a handshake failed before.
bool refuses_clear(mail::Stage stage, const mail::Reply& reply);

struct Verdict {
  mail::Disposition disposition;
  mail::Blame blame;
};
// positive is a verdict only at final_reply; before it, it means "go on" and must not be asked.
Verdict verdict(const Dialect& dialect, mail::Stage stage, ReplyClass what);

// Outcome of a reply at this stage.
mail::Outcome outcome_of(const Dialect& dialect, mail::Stage stage, const mail::Reply& reply);
// Outcome without a reply: the connection was lost, a time-out ran out, or the peer spoke nonsense.
mail::Outcome outcome_without_reply(const Dialect& dialect, mail::Stage stage,
                                    mail::EnhancedCode enhanced, std::string text);

// Which time-out applies while waiting at a stage (RFC 5321 4.5.3.2; config::DeliveryTimeouts).
enum class Wait : std::uint8_t { none, connect, greeting, command, data, block, final };
Wait wait_at(mail::Stage stage);
// "waiting for the reply to MAIL", for texts.
std::string_view doing_at(mail::Stage stage);

}  // namespace postwain::smtp
