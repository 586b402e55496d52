#include "qmgr/verdicts/gate.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/server_limits.h"
#include "common/smtp/syntax/xtext.h"

namespace postwain::qmgr {

namespace {

using mail::Reply;

constexpr WallTime kFirstTime{Duration(1577836800000)};  // 2020-01-01, as ids count from

bool is_mailbox(const mail::Address& address) {
  auto parsed = smtp::parse_mailbox(address.text());
  return parsed && *parsed == address;
}

// RFC 3461 4.1: NEVER stands alone.
bool is_notify(mail::Notify notify) {
  constexpr unsigned kOthers = mail::Notify::success | mail::Notify::failure | mail::Notify::delay;
  return notify.bits == mail::Notify::never || (notify.bits & ~kOthers) == 0;
}

// As the decoder of RCPT would have made it.
bool is_orcpt(const std::string& orcpt) {
  if (orcpt.empty()) return true;
  if (orcpt.size() > smtp::kOrcptMax || !is_valid_utf8(orcpt)) return false;
  auto again = smtp::orcpt_decode(smtp::orcpt_encode(orcpt, false));
  return again && *again == orcpt;
}

bool is_envid(const std::string& envid) {
  return envid.size() <= smtp::kEnvidMax &&
         std::all_of(envid.begin(), envid.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::optional<Reply> judge_envelope(const mail::Envelope& envelope,
                                    const std::vector<NewRecipient>& recipients) {
  if (!envelope.reverse_path.is_null() && !is_mailbox(envelope.reverse_path))
    return Reply{553, {5, 1, 7}, "Bad sender address syntax"};
  if (!is_envid(envelope.envid)) return Reply{501, {5, 5, 4}, "Bad ENVID parameter"};
  if (recipients.empty()) return Reply{554, {5, 5, 1}, "No recipient"};
  for (const NewRecipient& r : recipients) {
    if (!is_recipient(r.recipient.address))
      return Reply{553, {5, 1, 3}, "Bad recipient address syntax"};
    if (!is_notify(r.recipient.notify)) return Reply{501, {5, 5, 4}, "Bad NOTIFY parameter"};
    if (!is_orcpt(r.recipient.orcpt)) return Reply{501, {5, 5, 4}, "Bad ORCPT parameter"};
    const Reply& decided = r.recipient.decided;
    if (decided.code != 0 &&
        ((decided.code != 250 && !decided.permanent()) ||
         (decided.enhanced.present() && decided.enhanced.klass != decided.code / 100)))
      return Reply{501, {5, 5, 4}, "Bad end of a recipient"};
  }
  return std::nullopt;
}

// What a local user cannot know, or may not decide.
void decide_origin(const Carrier& carrier, NewMessage& message) {
  std::string account = carrier.user.empty() ? fmt::format("uid {}", carrier.uid) : carrier.user;
  message.info.arrival.protocol = "local";
  message.info.arrival.client_address.clear();
  message.info.arrival.client_name.clear();
  message.info.arrival.account = one_line(account, kAccountNameMax);
  message.uid = carrier.uid;
  message.local = true;
  mail::Envelope& envelope = message.info.envelope;
  for (const NewRecipient& r : message.recipients)
    envelope.smtputf8 = envelope.smtputf8 || r.recipient.address.is_utf8();
  envelope.smtputf8 = envelope.smtputf8 || envelope.reverse_path.is_utf8();
}

void tidy_origin(ipc::Arrival& arrival) {
  arrival.protocol = one_line(arrival.protocol, kProtocolNameMax);
  arrival.client_address = one_line(arrival.client_address, kClientAddressMax);
  arrival.client_name = one_line(arrival.client_name, kClientNameMax);
  arrival.account = one_line(arrival.account, kAccountNameMax);
}

// Whose word counts for how a message is signed: smtpd's, which knows the client, and an export's.
// What this machine writes is ours.
mail::Signing signing_of(ipc::Role role, mail::Signing said) {
  if (is_local(role) || role == ipc::Role::reporter) return mail::Signing::dkim;
  bool counts = role == ipc::Role::smtpd || role == ipc::Role::queue_import;
  return counts ? said : mail::Signing::none;
}

// A clock that was never set says 1970, and the ids that it makes begin in 2020 all the same.
bool is_id(mail::QueueId id, WallTime now) {
  WallTime latest = std::max(now, mail::QueueId{}.made_at()) + kAheadMax;
  return id.value != 0 && id.value >> 63 == 0 && id.made_at() <= latest;
}

bool is_time(WallTime time, WallTime now) {
  return time >= std::min(kFirstTime, now - kAheadMax) && time <= now + kAheadMax;
}

// Ids of the drop folder have a worker's number of their own, so nobody can take the id of a
// message that is on its way by another door.
bool is_drop_id(mail::QueueId id, WallTime now) {
  return is_id(id, now) && id.worker() == mail::kDropWorker;
}

// Ids that may be another machine's: of its bag nothing is written here.
void take_own_id(ipc::Role role, const GateRules& rules,
                 const std::function<mail::QueueId()>& next_id, mail::QueueId& id) {
  if (role == ipc::Role::smtpd || id.is_in(rules.open_bags)) return;
  std::optional<mail::QueueId> near;
  if (role == ipc::Role::pickup) near = id.next_in(rules.open_bags);
  id = near ? *near : next_id();
}

std::optional<Reply> judge_identity(ipc::Role role, const GateRules& rules, WallTime now,
                                    const std::function<mail::QueueId()>& next_id,
                                    MessageInfo& info) {
  WallTime& at = info.arrival.received_at;
  if (role == ipc::Role::sendmail) {
    info.id = next_id();
    at = now;
  } else if (role == ipc::Role::pickup) {
    // The clock may have been wrong when it was left: that is no reason to lose it.
    if (!is_drop_id(info.id, now)) info.id = next_id();
    if (!is_time(at, now)) at = now;
  }
  if (is_id(info.id, now) && is_time(at, now)) {
    take_own_id(role, rules, next_id, info.id);
    if (info.id.is_in(rules.own_bags)) return std::nullopt;
    return bag_moved_reply();
  }
  // The clock was set back while it came in; only an import says the same the next time.
  if (role != ipc::Role::queue_import)
    return Reply{451, {4, 3, 0}, "The clock was set, try again later"};
  return Reply{554, {5, 5, 0}, "Queue id or time of arrival lie in the future, or before 2020"};
}

}  // namespace

bool is_recipient(const mail::Address& address) {
  if (!address.has_domain()) return iequals(address.text(), "postmaster");
  return is_mailbox(address);
}

std::optional<Reply> judge(const Carrier& carrier, const GateRules& rules, WallTime now,
                           const std::function<mail::QueueId()>& next_id, NewMessage& message) {
  bool local = is_local(carrier.role);
  if (local && message.recipients.size() > rules.recipients)
    return Reply{554, {5, 5, 3}, fmt::format("Too many recipients, {} at most", rules.recipients)};
  if (local && rules.message_size > 0 && message.info.size > rules.message_size)
    return too_large_reply();
  mail::Envelope& envelope = message.info.envelope;
  if (auto refusal = judge_envelope(envelope, message.recipients)) return refusal;
  if (auto refusal = judge_identity(carrier.role, rules, now, next_id, message.info))
    return refusal;
  if (local)
    decide_origin(carrier, message);
  else
    tidy_origin(message.info.arrival);
  if (envelope.require_tls) envelope.tls_required_no = false;
  envelope.sign = signing_of(carrier.role, envelope.sign);
  message.held_for = one_line(message.held_for, kHeldForMax);
  for (NewRecipient& r : message.recipients)
    if (Reply& decided = r.recipient.decided; decided.code != 0)
      decided.text = one_line(decided.text, kDecidedTextMax);
  return std::nullopt;
}

void mark_given_back(ipc::Role role, std::size_t own_hops, NewMessage& message) {
  if (is_local(role) && own_hops > 1) message.info.envelope.sign = mail::Signing::none;
}

void mark_double_bounce(NewMessage& message, bool marked) {
  if (marked && message.info.envelope.reverse_path.is_null())
    message.info.kind = MessageKind::double_bounce;
}

std::string received_field(const Carrier& carrier, const GateRules& rules,
                           const NewMessage& message) {
  if (!is_local(carrier.role)) return {};
  std::string from = carrier.user.empty()
                         ? fmt::format("uid {}", carrier.uid)
                         : fmt::format("{} with uid {}", carrier.user, carrier.uid);
  return fmt::format("Received: by {} (Postwain, from {})\r\n\tid {}; {}\r\n", rules.hostname, from,
                     message.info.id.text(), format_rfc5322(message.info.arrival.received_at));
}

Reply lone_line_end_reply() {
  return {550, {5, 6, 11}, "Error: lone CR or LF in content"};
}

bool may_have_lone_line_ends(const mail::Envelope& envelope) {
  return envelope.body == mail::BodyType::binary_mime;
}

Reply too_large_reply() {
  return {552, {5, 3, 4}, "Message exceeds the size limit"};
}

Reply bag_moved_reply() {
  return {451, {4, 3, 0}, "This part of the queue has just moved to another machine, try again"};
}

void bound(mail::Outcome& outcome) {
  mail::Reply& reply = outcome.reply;
  if (reply.code < 0 || reply.code > 999) reply.code = 0;
  if (reply.enhanced.klass > 5) reply.enhanced = {};
  // The reply is kept as the peer gave it, with its line ends; whoever shows it cleans it.
  if (reply.text.size() > kReplyKept) reply.text.resize(kReplyKept);
  outcome.remote_host = one_line(outcome.remote_host, kClientNameMax);
  outcome.remote_address = one_line(outcome.remote_address, kClientNameMax);
  outcome.tls = one_line(outcome.tls, kClientNameMax);
}

std::string one_line(std::string_view text, std::size_t octets) {
  std::string out(text.substr(0, octets));
  // Cut within a character: its beginning goes, too.
  while (text.size() > octets && !out.empty() &&
         (static_cast<unsigned char>(text[out.size()]) & 0xC0U) == 0x80U)
    out.pop_back();
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) c = '?';
  if (is_valid_utf8(out)) return out;
  for (char& c : out)
    if (static_cast<unsigned char>(c) > 127) c = '?';
  return out;
}

}  // namespace postwain::qmgr
