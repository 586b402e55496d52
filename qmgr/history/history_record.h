// What the history is told: plain values, and their coding into the buffer between the loop and the
// history's thread. Coding copies bytes and allocates nothing of its own, so that telling costs the
// loop next to nothing. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/outcome.h"
#include "common/mail/queue_id.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

constexpr std::size_t kHistoryTextMax = 512;  // of a reply, a reason, a Message-ID

// The numbers are those of the event table.
enum class HistoryKind : std::uint8_t {
  delivered = 0,
  deferred = 1,
  failed = 2,
  expired = 3,   // the lifetime is over
  bounced = 4,   // other: the bounce
  warned = 5,    // other: the warning of the delay
  reported = 6,  // other: the report of success the sender asked for
  held = 7,
  released = 8,
  retried = 9,  // an operator asked for an attempt now
  cancelled = 10,
  returned = 11,  // an operator gave it up
  in_doubt = 12,  // an attempt whose end nobody knows: qmgr was killed meanwhile
  dropped = 13,   // failed, and there was nobody left to tell
  adopted = 14,   // who: the node that took it over, with an attempt that may have got through
};
constexpr HistoryKind kLastHistoryKind = HistoryKind::adopted;
std::string_view name_of(HistoryKind kind);

// In place of the user's number: it was no user of this machine who submitted it, or nobody knows.
constexpr std::int64_t kNoUid = -1;

// The views point to the caller's values, or into the buffer that was decoded.
struct ArrivalRecord {
  struct To {
    std::string_view address;
    std::string_view destination;
    std::string_view given;  // where the address came of another
  };
  mail::QueueId id;
  mail::QueueId part_of;
  std::int64_t received_at = 0;
  std::uint64_t size = 0;
  MessageKind kind = MessageKind::mail;
  std::string_view sender;
  std::string_view given_sender;
  bool srs = false;  // sender came of it by SRS
  std::string_view message_id;
  std::string_view protocol;
  std::string_view client_address;
  std::string_view client_name;
  std::string_view account;
  std::int64_t uid = kNoUid;
  bool require_tls = false;
  bool tls_required_no = false;
  std::vector<To> recipients;
  std::string_view judgements;  // ipc::encode_judgements()
  // A filter discarded it, and nothing of it was queued: when, and how that is told. 0: it was not.
  std::int64_t discarded_at = 0;
  std::string_view discarded_why;
};

struct EventRecord {
  mail::QueueId id;
  std::uint32_t index = 0;
  HistoryKind kind = HistoryKind::deferred;
  std::int64_t at = 0;
  mail::Stage stage = mail::Stage::local;
  bool in_doubt = false;
  std::int64_t began_at = 0;
  std::int64_t next_attempt_at = 0;
  mail::QueueId other;
  std::int32_t code = 0;
  mail::EnhancedCode enhanced;
  std::string_view text;  // of the reply
  std::string_view host;
  std::string_view host_address;
  std::string_view tls;
  std::string_view times;    // mail::StageTimes::text()
  std::string_view signing;  // mail::SigningRecord::text()
  std::string_view why;
  std::string_view who;
  // For a recipient the history has not heard of.
  std::string_view recipient;
  std::string_view destination;
};

// What a receiver refused; there is no message.
struct RefusalRecord {
  std::int64_t at = 0;
  std::uint32_t count = 1;
  std::string_view client;
  std::string_view name;
  std::string_view listener;
  std::string_view sender;
  std::string_view recipient;
  std::string_view stage;
  std::int32_t code = 0;
  mail::EnhancedCode enhanced;
  std::string_view text;
  std::string_view reason;
  std::string_view judgements;
};

// What filters said of a message that has arrived before; the last word counts.
struct JudgementsRecord {
  mail::QueueId id;
  std::string_view judgements;  // ipc::encode_judgements()
};

void append_record(std::string& out, const RefusalRecord& refusal);
void append_record(std::string& out, const JudgementsRecord& judgements);
void append_record(std::string& out, const NewMessage& message, std::string_view message_id,
                   std::int64_t discarded_at = 0, std::string_view discarded_why = {});
void append_record(std::string& out, const EventRecord& event);
// No event: the recipient alone, in case the history has not heard of it.
void append_known(std::string& out, const EventRecord& recipient);

// The recipients with which a message arrived, as its row keeps them.
void encode_recipients(std::string& out, const std::vector<ArrivalRecord::To>& recipients);
std::vector<ArrivalRecord::To> decode_recipients(std::string_view data);  // views of it
// "1-49,51": numbers in ascending order, each once.
std::string ranges_text(const std::vector<std::uint32_t>& numbers);
std::vector<std::uint32_t> numbers_in(std::string_view ranges);
// "451 4.3.0 try later", as far as it is known.
std::string reply_text(const EventRecord& event);
// Whether it is the same that happened, to another recipient of the same message.
bool same_but_recipient(const EventRecord& a, const EventRecord& b);

// Reads a buffer made by append_record. broken: what is left is none; it stays so.
class RecordReader {
 public:
  enum class Kind : std::uint8_t { arrival, event, known, refusal, judgements, end, broken };
  explicit RecordReader(std::string_view records) : rest_(records) {}
  // Fills the one that is named.
  Kind next(ArrivalRecord& arrival, EventRecord& event);
  // The one that next() has read, as it stands in the buffer.
  std::string_view octets() const { return octets_; }
  const RefusalRecord& refusal() const { return refusal_; }           // after Kind::refusal
  const JudgementsRecord& judgements() const { return judgements_; }  // after Kind::judgements

 private:
  std::string_view rest_;
  std::string_view octets_;
  RefusalRecord refusal_;
  JudgementsRecord judgements_;
};

// The value of the header section's Message-ID field, cut at kHistoryTextMax; empty: none.
std::string_view message_id_in(std::string_view content);

// The id under which the next host goes on with the message, from its reply to the content: that of
// Postfix and Postwain ("queued as X"), Exim ("id=X"), Sendmail ("X Message accepted for
// delivery"), Dovecot ("X Saved"), Exchange ("InternalId=X"). Empty where none is recognised.
std::string_view remote_queue_id(std::string_view reply_text);

}  // namespace postwain::qmgr
