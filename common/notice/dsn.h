// Delivery status notifications: the content of a message that tells a sender what became of some
// recipients (RFC 3461, RFC 6522 multipart/report, RFC 3464 delivery-status, RFC 6533 for UTF-8
// addresses).
//
// Pure: values in, content out. Who gets a notice, and whether at all, is not decided here
// (qmgr/verdicts/notice_plan.h). The remote's words are quoted as they came; only what would break
// a line or leave the character set is escaped.
//
// The notice is ASCII unless its reader's address is not: then the way to the reader carries UTF-8
// in any case, and the parts are those of RFC 6533. Everyone else gets UTF-8 addresses in their
// ASCII form ("utf-8; j\x{F6}rg@…"), and text in quoted-printable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/mail/envelope.h"
#include "common/mail/outcome.h"
#include "common/mail/queue_id.h"

#include "common/notice/template.h"
#include "common/notice/words.h"

namespace postwain::notice {

constexpr std::size_t kDsnHeaderMax = 16U << 10;  // of the quoted header section
constexpr std::size_t kDsnRecipientsMax = 100;    // per notice; more make several notices
constexpr std::size_t kDsnReplyMax = 2048;        // of a remote's reply
constexpr std::size_t kDsnShortReplyMax = 200;    // the same where the notice gets too large
constexpr std::size_t kDsnContentMax = 1U << 20;  // of a notice, as the store takes it
constexpr std::size_t kLanguagesMax = 4;

enum class DsnAction : std::uint8_t { failed, delayed, delivered, relayed, expanded };
std::string_view name_of(DsnAction action);

struct DsnRecipient {
  mail::Recipient recipient;
  mail::Reply reply;  // of the last attempt; code 0: our own words
  mail::Stage stage = mail::Stage::local;
  std::string remote_host;
  WallTime last_attempt_at{};
  bool expired = false;  // failed because the lifetime is over
};

struct DsnRequest {
  DsnAction action = DsnAction::failed;  // the same for all recipients of one notice
  std::vector<DsnRecipient> recipients;
  std::string hostname;  // reporting MTA
  std::string postmaster;
  mail::QueueId id;  // of the notice
  mail::Address to;  // who reads it
  WallTime now{};
  WallTime retry_until{};  // delayed: when we give up
  bool to_postmaster = false;
  std::shared_ptr<const Words> words;  // null or empty: English. Shared with the configuration
  std::uint64_t original_max = kDsnQuoteDefault;
  // False: nothing of the message but its Message-ID; the third part of RFC 6522 is left out.
  bool quotes = true;

  // The message it is about.
  mail::QueueId original_id;
  mail::Address original_sender;
  mail::DsnReturn ret = mail::DsnReturn::unspecified;
  std::string envid;
  WallTime arrived_at{};
  std::uint64_t original_size = 0;
  bool original_binary = false;
  // It asked for REQUIRETLS: quoted as with RET=HDRS, and the notice is to be sent with REQUIRETLS
  // (RFC 8689 5).
  bool original_require_tls = false;
};

struct Dsn {
  std::string content;
  bool eight_bit = false;
  bool smtputf8 = false;
};

// original: the beginning of the original content, at least the smaller of its size and
// bytes_wanted(request); empty when it cannot be read.
Dsn build_dsn(const DsnRequest& request, std::string_view original);
std::size_t bytes_wanted(const DsnRequest& request);

}  // namespace postwain::notice
