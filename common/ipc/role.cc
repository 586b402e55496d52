#include "common/ipc/role.h"

#include <algorithm>

namespace postwain::ipc {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::smtpd:
      return "smtpd";
    case Role::smtp_client:
      return "smtp-client";
    case Role::lmtp_client:
      return "lmtp-client";
    case Role::supervisor:
      return "supervisor";
    case Role::control:
      return "control";
    case Role::sendmail:
      return "sendmail";
    case Role::metrics:
      return "metrics";
    case Role::tokens:
      return "tokens";
    case Role::queue_import:
      return "restore";
    case Role::reporter:
      return "reporter";
    case Role::pickup:
      return "pickup";
    case Role::filter:
      return "filter";
    case Role::signer:
      return "signer";
  }
  return "?";
}

std::uint16_t oldest_version(Role role) {
  constexpr std::uint16_t kClients = 17;
  constexpr std::uint16_t kSigner = 15;
  constexpr std::uint16_t kListsReported = 14;
  constexpr std::uint16_t kFilterLinks = 13;
  constexpr std::uint16_t kFirstTaken = 9;
  // An envelope has no mark of its format: with another one nobody reads it right.
  constexpr std::uint16_t kEnvelopes = mail::kEnvelopeFormat > 1 ? kProtocolVersion : kFirstTaken;
  switch (role) {
    case Role::signer:
      return std::max(kSigner, kEnvelopes);
    case Role::filter:  // since then it tells of DNS lists, too
      return std::max(kListsReported, kEnvelopes);
    case Role::smtpd:  // since then it is told of the way to `filter`
      return std::max(kFilterLinks, kEnvelopes);
    case Role::smtp_client:
    case Role::lmtp_client:  // since then they tell of signatures, and say when they drain
      return std::max(kClients, kEnvelopes);
    case Role::sendmail:
    case Role::queue_import:
    case Role::pickup:
    case Role::reporter:
      return kEnvelopes;
    case Role::supervisor:
    case Role::control:
    case Role::metrics:
    case Role::tokens:
      break;
  }
  return kFirstTaken;
}

}  // namespace postwain::ipc
