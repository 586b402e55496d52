// The commands of a transaction as lines, with those parameters only that the peer offers (RFC 5321
// 4.1.1, 1870, 6152, 6531, 3461, 3030), and what a message needs that a peer lacks. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/ability.h"
#include "common/mail/envelope.h"
#include "common/mail/outcome.h"
#include "common/smtp/client/peer_extensions.h"
#include "common/smtp/client/xforward.h"

namespace postwain::smtp {

// One message for some recipients over one connection. What it points to must stay until the
// engine reports it finished or returned.
struct Transaction {
  std::uint64_t key = 0;                           // the host's, repeated in every event
  const mail::Envelope* envelope = nullptr;        // its own list of recipients is not looked at
  std::vector<const mail::Recipient*> recipients;  // in RCPT order; events count from 0
  std::uint64_t size = 0;
  bool eight_bit = false;  // content has a byte above 127
  bool inlined = false;    // content is all of it; otherwise it is asked for with want_content
  bool probe = false;      // only asks, up to RCPT: accepted there counts as delivered
  bool converted = false;  // it was made 7-bit: size is a guess
  std::optional<MessageOrigin> origin{};  // sent by XFORWARD (ClientOptions::xforward)
  std::string_view content;
};

void append_mail(std::string& out, const Transaction& transaction, const PeerExtensions& peer);
// smtputf8: MAIL said it; only then may UTF-8 stand in ORCPT as it is (RFC 6533 3).
void append_rcpt(std::string& out, const mail::Recipient& recipient, const PeerExtensions& peer,
                 bool smtputf8);
// Whether MAIL of this transaction says SMTPUTF8 to this peer.
bool says_smtputf8(const Transaction& transaction, const PeerExtensions& peer);

// Which abilities stand as parameters in MAIL of this transaction, and in RCPT, that it can do
// without.
mail::AbilitySet spare_in_mail(const Transaction& transaction, const PeerExtensions& peer);
mail::AbilitySet spare_in_rcpt(const mail::Recipient& recipient, const PeerExtensions& peer);
// The one of them that a refusal of the parameters speaks of; where it names none, the one most
// likely.
mail::Ability blamed_parameter(mail::AbilitySet said, std::string_view text);

// Whether the content has to be made 7-bit for this peer (mail::SevenBit).
bool needs_seven_bit(const Transaction& transaction, const PeerExtensions& peer);
// Why this peer cannot take the message at all; nothing when it can.
std::optional<mail::Outcome> unfit_message(const Transaction& transaction,
                                           const PeerExtensions& peer);
// The same for every message that asks for REQUIRETLS (RFC 8689 4.2.1): it goes under TLS, to a
// server that offers REQUIRETLS, or not at all.
std::optional<mail::Outcome> unfit_for_require_tls(const PeerExtensions& peer, bool tls);
// Why this peer cannot take this recipient.
std::optional<mail::Outcome> unfit_recipient(const mail::Recipient& recipient,
                                             const PeerExtensions& peer);

}  // namespace postwain::smtp
