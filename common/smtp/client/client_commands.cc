#include "common/smtp/client/client_commands.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/xtext.h"

namespace postwain::smtp {

namespace {

using mail::Blame;
using mail::Disposition;
using mail::Outcome;
using mail::Stage;

void append_number(std::string& out, std::uint64_t value) {
  fmt::format_int text(value);
  out.append(text.data(), text.size());
}

void append_notify(std::string& out, mail::Notify notify) {
  if (notify.bits == mail::Notify::unspecified) return;
  out += " NOTIFY=";
  if ((notify.bits & mail::Notify::never) != 0) {
    out += "NEVER";
    return;
  }
  std::size_t start = out.size();
  auto add = [&](unsigned bit, std::string_view name) {
    if ((notify.bits & bit) == 0) return;
    if (out.size() > start) out += ',';
    out += name;
  };
  add(mail::Notify::success, "SUCCESS");
  add(mail::Notify::failure, "FAILURE");
  add(mail::Notify::delay, "DELAY");
}

// Addresses were parsed when they came in; this is the last door before the wire, and it believes
// nobody who may have changed them since. A byte that ends a command would begin another one (Exim
// CVE-2020-28021, -28026), a '>' or a blank outside of quotes would begin parameters of the
// client's choice. Why the address cannot be written; empty: it can.
std::string_view not_writable(const mail::Address& address) {
  for (char c : address.text()) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 32 || byte == 127) return "holds a control character";
  }
  // Also one that was divided elsewhere than the server will divide it.
  auto parsed = parse_mailbox(address.text());
  return parsed && *parsed == address ? "" : "is no address that a command can carry";
}

// UTF-8 in the domain alone is no reason to ask for SMTPUTF8: the DNS name behind it has an ASCII
// form, which says the same to everybody.
std::string wire_address(const mail::Address& address, const PeerExtensions& peer) {
  return peer.smtputf8 ? address.text() : address.ascii_text();
}

Outcome unfit(Blame blame, mail::EnhancedCode enhanced, std::string text) {
  return local_outcome(Disposition::failed, blame == Blame::recipient ? Stage::rcpt : Stage::mail,
                       blame, enhanced, std::move(text));
}

}  // namespace

bool says_smtputf8(const Transaction& transaction, const PeerExtensions& peer) {
  if (!peer.smtputf8) return false;
  const mail::Envelope& envelope = *transaction.envelope;
  bool needed = envelope.smtputf8 || envelope.reverse_path.is_utf8();
  for (const mail::Recipient* recipient : transaction.recipients)
    needed = needed || recipient->address.is_utf8();
  return needed;
}

void append_mail(std::string& out, const Transaction& transaction, const PeerExtensions& peer) {
  const mail::Envelope& envelope = *transaction.envelope;
  out += "MAIL FROM:<";
  out += wire_address(envelope.reverse_path, peer);
  out += '>';
  if (peer.size) {
    out += " SIZE=";
    append_number(out, transaction.size);
  }
  if (transaction.converted) {
    if (peer.eight_bit_mime) out += " BODY=7BIT";
  } else if (envelope.body == mail::BodyType::binary_mime) {
    out += " BODY=BINARYMIME";
  } else if (peer.eight_bit_mime &&
             (transaction.eight_bit || envelope.body == mail::BodyType::eight_bit_mime)) {
    out += " BODY=8BITMIME";
  }
  if (says_smtputf8(transaction, peer)) out += " SMTPUTF8";
  if (envelope.require_tls && peer.require_tls) out += " REQUIRETLS";
  if (peer.dsn) {
    if (envelope.ret == mail::DsnReturn::full) out += " RET=FULL";
    if (envelope.ret == mail::DsnReturn::headers) out += " RET=HDRS";
    if (!envelope.envid.empty()) {
      out += " ENVID=";
      out += xtext_encode(envelope.envid);
    }
  }
  out += "\r\n";
}

void append_rcpt(std::string& out, const mail::Recipient& recipient, const PeerExtensions& peer,
                 bool smtputf8) {
  out += "RCPT TO:<";
  out += wire_address(recipient.address, peer);
  out += '>';
  if (peer.dsn) {
    append_notify(out, recipient.notify);
    if (std::string orcpt = orcpt_encode(recipient.orcpt, !smtputf8); !orcpt.empty()) {
      out += " ORCPT=";
      out += orcpt;
    }
  }
  out += "\r\n";
}

mail::AbilitySet spare_in_mail(const Transaction& transaction, const PeerExtensions& peer) {
  using mail::Ability;
  const mail::Envelope& envelope = *transaction.envelope;
  mail::AbilitySet said;
  if (peer.dsn && (envelope.ret != mail::DsnReturn::unspecified || !envelope.envid.empty()))
    said.add(Ability::dsn);
  if (peer.size) said.add(Ability::size);
  bool body =
      transaction.converted || transaction.eight_bit || envelope.body != mail::BodyType::seven_bit;
  if (peer.eight_bit_mime && body) said.add(Ability::eight_bit_mime);
  bool needed = envelope.reverse_path.is_utf8();
  for (const mail::Recipient* recipient : transaction.recipients)
    needed = needed || recipient->address.is_utf8();
  if (says_smtputf8(transaction, peer) && !needed) said.add(Ability::smtputf8);
  return said;
}

mail::AbilitySet spare_in_rcpt(const mail::Recipient& recipient, const PeerExtensions& peer) {
  mail::AbilitySet said;
  if (peer.dsn && (recipient.notify.bits != mail::Notify::unspecified || !recipient.orcpt.empty()))
    said.add(mail::Ability::dsn);
  return said;
}

mail::Ability blamed_parameter(mail::AbilitySet said, std::string_view text) {
  using mail::Ability;
  struct Word {
    std::string_view word;
    Ability ability;
  };
  constexpr Word kWords[] = {{"SMTPUTF8", Ability::smtputf8},
                             {"BODY", Ability::eight_bit_mime},
                             {"8BIT", Ability::eight_bit_mime},
                             {"RET=", Ability::dsn},
                             {"ENVID", Ability::dsn},
                             {"NOTIFY", Ability::dsn},
                             {"ORCPT", Ability::dsn},
                             {"DSN", Ability::dsn},
                             {"SIZE", Ability::size}};
  std::string lower = to_lower(text);
  for (const Word& one : kWords)
    if (said.has(one.ability) && lower.find(to_lower(one.word)) != std::string::npos)
      return one.ability;
  for (Ability one : {Ability::dsn, Ability::size, Ability::eight_bit_mime, Ability::smtputf8})
    if (said.has(one)) return one;
  return Ability::dsn;
}

// Binary content travels as it is in one BDAT only, so a large one is made 7-bit in any case.
bool needs_seven_bit(const Transaction& transaction, const PeerExtensions& peer) {
  if (transaction.probe) return false;
  if (transaction.envelope->body == mail::BodyType::binary_mime)
    return !(peer.binary_mime && peer.chunking && transaction.inlined);
  return transaction.eight_bit && !peer.eight_bit_mime;
}

std::optional<Outcome> unfit_message(const Transaction& transaction, const PeerExtensions& peer) {
  const mail::Envelope& envelope = *transaction.envelope;
  if (!envelope.reverse_path.is_null())
    if (std::string_view why = not_writable(envelope.reverse_path); !why.empty())
      return unfit(Blame::sender, {5, 1, 7}, fmt::format("the sender address {}", why));
  if (peer.size_limit > 0 && transaction.size > peer.size_limit)
    return unfit(Blame::message, {5, 3, 4},
                 fmt::format("message of {} bytes is larger than the {} bytes the next hop takes",
                             transaction.size, peer.size_limit));
  if (!peer.smtputf8 && envelope.reverse_path.needs_smtputf8())
    return unfit(Blame::message, {5, 6, 7},
                 "the sender address needs SMTPUTF8, which the next hop does not offer");
  return std::nullopt;
}

std::optional<Outcome> unfit_for_require_tls(const PeerExtensions& peer, bool tls) {
  if (tls && peer.require_tls) return std::nullopt;
  return unfit(Blame::message, {5, 7, 30},
               "the message needs REQUIRETLS, which the next hop does not offer");
}

std::optional<Outcome> unfit_recipient(const mail::Recipient& recipient,
                                       const PeerExtensions& peer) {
  if (std::string_view why = not_writable(recipient.address); !why.empty())
    return unfit(Blame::recipient, {5, 1, 3}, fmt::format("the recipient address {}", why));
  if (!peer.smtputf8 && recipient.address.needs_smtputf8())
    return unfit(Blame::recipient, {5, 6, 7},
                 "the address needs SMTPUTF8, which the next hop does not offer");
  return std::nullopt;
}

}  // namespace postwain::smtp
