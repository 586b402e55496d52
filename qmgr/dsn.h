// Delivery status notifications: the content of a message that tells a sender what became of some
// recipients (RFC 3461, 3462/6522 multipart/report, 3464 delivery-status, 6533 for UTF-8
// addresses).
//
// Pure: values in, content out. Who gets a notice, and whether at all, is decided in
// notice_plan.h. The remote's words are quoted as they came; only what would break a line or leave
// the character set is escaped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/mail/envelope.h"
#include "common/mail/outcome.h"
#include "common/mail/queue_id.h"

namespace postwain::qmgr {

constexpr std::size_t kDsnQuoteMax = 50U << 10;   // a larger original is quoted by its header only
constexpr std::size_t kDsnHeaderMax = 16U << 10;  // of the quoted header section
constexpr std::size_t kDsnRecipientsMax = 200;    // per notice; more make several notices
constexpr std::size_t kDsnReplyMax = 2048;        // of a remote's reply

enum class DsnAction : std::uint8_t { failed, delayed, delivered, relayed };

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
  mail::QueueId id;      // of the notice
  mail::Address to;      // who reads it
  WallTime now{};
  WallTime retry_until{};  // delayed: when we give up
  bool to_postmaster = false;

  // The message it is about.
  mail::QueueId original_id;
  mail::Address original_sender;
  mail::DsnReturn ret = mail::DsnReturn::unspecified;
  std::string envid;
  WallTime arrived_at{};
  std::uint64_t original_size = 0;
  bool original_eight_bit = false;
  bool original_binary = false;
};

struct Dsn {
  std::string content;
  bool eight_bit = false;
  bool smtputf8 = false;
};

// original: the beginning of the original content, at least the smaller of its size and
// kDsnQuoteMax; empty when it cannot be read.
Dsn build_dsn(const DsnRequest& request, std::string_view original);

}  // namespace postwain::qmgr
