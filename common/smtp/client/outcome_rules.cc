#include "common/smtp/client/outcome_rules.h"

#include <array>
#include <utility>

#include "common/base/check.h"
#include "common/base/text.h"

namespace postwain::smtp {

namespace {

using mail::Blame;
using mail::Disposition;
using mail::Stage;

// The policy.
//
// Until MAIL is sent, trouble is the next hop's, never the message's: no connection, no greeting, a
// refused EHLO or STARTTLS, a failed handshake, a refused login. Even a 5yz there only defers (the
// next host is tried first, RFC 5321 5.1), because it says nothing about this message, and it
// counts against the destination.
//
// One greeting is for good: 521, the host takes no mail at all (RFC 7504).
//
// A reply to MAIL speaks of the sender: 4yz defers all recipients, 5yz fails them. A reply to RCPT
// speaks of that recipient alone; 552 counts as 452 (RFC 5321 4.5.3.1.10, "too many recipients" of
// old servers), unless its status says otherwise (5.2.2), and so does x.5.3 with any code. A reply
// to DATA or to the end of data speaks of the message, in LMTP of the one
// recipient whose turn it is.
//
// 421 means the server is going away: deferred, counts against the destination, at every stage.
//
// A connection lost, a time-out or a nonsensical answer decides nothing: deferred. It counts
// against the destination. After the end of data it leaves the recipients in doubt (RFC 1047): the
// peer may have the message and our next try may make a second copy. Only an explicit 5yz ever
// fails a recipient.
constexpr Verdict kGoOn{Disposition::deferred, Blame::destination};  // never asked
constexpr Verdict kHop{Disposition::deferred, Blame::destination};

struct Row {
  Stage stage;
  Wait wait;
  std::string_view doing;
  Verdict positive;
  Verdict transient;
  Verdict permanent;
};

constexpr std::array<Row, 12> kRows{{
    {Stage::local, Wait::none, "working locally", kGoOn, kHop, kHop},
    {Stage::dns, Wait::none, "looking up the next hop", kGoOn, kHop, kHop},
    {Stage::connect, Wait::connect, "connecting", kGoOn, kHop, kHop},
    {Stage::tls, Wait::command, "starting TLS", kGoOn, kHop, kHop},
    {Stage::greeting, Wait::greeting, "waiting for the greeting", kGoOn, kHop, kHop},
    {Stage::hello, Wait::command, "waiting for the reply to the hello command", kGoOn, kHop, kHop},
    {Stage::auth, Wait::command, "waiting for the reply to AUTH", kGoOn, kHop, kHop},
    {Stage::mail,
     Wait::command,
     "waiting for the reply to MAIL",
     kGoOn,
     {Disposition::deferred, Blame::sender},
     {Disposition::failed, Blame::sender}},
    {Stage::rcpt,
     Wait::command,
     "waiting for the reply to RCPT",
     kGoOn,
     {Disposition::deferred, Blame::recipient},
     {Disposition::failed, Blame::recipient}},
    {Stage::data,
     Wait::data,
     "waiting for the reply to DATA",
     kGoOn,
     {Disposition::deferred, Blame::message},
     {Disposition::failed, Blame::message}},
    {Stage::content,
     Wait::block,
     "sending the content",
     kGoOn,
     {Disposition::deferred, Blame::message},
     {Disposition::failed, Blame::message}},
    {Stage::final_reply,
     Wait::final,
     "waiting for the reply to the end of data",
     {Disposition::delivered, Blame::nobody},
     {Disposition::deferred, Blame::message},
     {Disposition::failed, Blame::message}},
}};

const Row& row_of(Stage stage) {
  auto index = static_cast<std::size_t>(stage);
  PW_CHECK(index < kRows.size() && kRows[index].stage == stage);
  return kRows[index];
}

}  // namespace

ReplyClass classify(Stage stage, int code) {
  if (code == 421) return ReplyClass::closing;
  if (stage == Stage::rcpt && code == 552) return ReplyClass::transient;
  if (stage == Stage::data && code == 354) return ReplyClass::positive;
  if (stage == Stage::auth && code == 334) return ReplyClass::positive;  // it asks for more
  if (code >= 200 && code < 300 && stage != Stage::data) return ReplyClass::positive;
  if (code >= 400 && code < 500) return ReplyClass::transient;
  if (code >= 500 && code < 600) return ReplyClass::permanent;
  return ReplyClass::none;
}

namespace {

bool says(const mail::Reply& reply, std::string_view words) {
  return to_lower(reply.text).find(words) != std::string::npos;
}

}  // namespace

bool is_too_many(const mail::Reply& reply) {
  if (reply.code < 400) return false;
  const mail::EnhancedCode& status = reply.enhanced;
  if (status.present()) return status.subject == 5 && status.detail == 3;
  return reply.code == 452 || reply.code == 552 || says(reply, "too many recipients");
}

bool is_refusal_of_form(const mail::Reply& reply) {
  if (!reply.permanent() || reply.code == 530) return false;
  const mail::EnhancedCode& status = reply.enhanced;
  if (status.present())
    return status.subject == 5 && (status.detail == 1 || status.detail == 2 || status.detail == 4);
  return (reply.code >= 500 && reply.code <= 504) || reply.code == 555;
}

bool refuses_clear(Stage stage, const mail::Reply& reply) {
  if (!reply.permanent()) return false;
  if (stage == Stage::mail) return true;
  const mail::EnhancedCode& status = reply.enhanced;
  return reply.code == 530 || reply.code == 523 || reply.code == 538 ||
         (status.present() && status.subject == 7) || says(reply, "tls") || says(reply, "encrypt");
}

ReplyClass classify(Stage stage, const mail::Reply& reply) {
  ReplyClass what = classify(stage, reply.code);
  bool negative = what == ReplyClass::transient || what == ReplyClass::permanent;
  if (stage != Stage::rcpt || !negative) return what;
  if (is_too_many(reply)) return ReplyClass::transient;
  return reply.code == 552 && reply.enhanced.present() ? ReplyClass::permanent : what;
}

Verdict verdict(const Dialect& dialect, Stage stage, ReplyClass what) {
  const Row& row = row_of(stage);
  Verdict result = kHop;
  switch (what) {
    case ReplyClass::positive:
      PW_CHECK(stage == Stage::final_reply);
      result = row.positive;
      break;
    case ReplyClass::transient:
      result = row.transient;
      break;
    case ReplyClass::permanent:
      result = row.permanent;
      break;
    case ReplyClass::closing:
    case ReplyClass::none:
      break;
  }
  if (stage == Stage::final_reply && dialect.reply_per_recipient && result.blame == Blame::message)
    result.blame = Blame::recipient;
  return result;
}

mail::Outcome outcome_of(const Dialect& dialect, Stage stage, const mail::Reply& reply) {
  Verdict v = verdict(dialect, stage, classify(stage, reply));
  // RFC 7504: this host takes no mail at all, and that is for good. Of the mail to others it says
  // nothing.
  if (stage == Stage::greeting && reply.code == 521) v = {Disposition::failed, Blame::dns};
  mail::Outcome outcome;
  outcome.disposition = v.disposition;
  outcome.stage = stage;
  outcome.blame = v.blame;
  outcome.reply = reply;
  return outcome;
}

mail::Outcome outcome_without_reply(const Dialect& dialect, Stage stage,
                                    mail::EnhancedCode enhanced, std::string text) {
  Verdict v = verdict(dialect, stage, ReplyClass::none);
  return mail::local_outcome(v.disposition, stage, v.blame, enhanced, std::move(text));
}

Wait wait_at(Stage stage) {
  return row_of(stage).wait;
}

std::string_view doing_at(Stage stage) {
  return row_of(stage).doing;
}

}  // namespace postwain::smtp
