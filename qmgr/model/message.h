// A message and its recipients as qmgr keeps them: what the store writes and what it gives back.
// Only values; no behaviour, no storage.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/mail/envelope.h"
#include "common/mail/outcome.h"
#include "common/mail/queue_id.h"
#include "common/mail/sts_policy.h"

#include "common/ipc/messages.h"

namespace postwain::qmgr {

// notice: made by ourselves for a sender (bounce, delay warning, success report).
// double_bounce: tells the postmaster of a bounce that found no reader; when it fails it is
// dropped.
enum class MessageKind : std::uint8_t { mail, notice, double_bounce };

// Classes share the delivery capacity, so that a mailing never delays a two-line note.
enum class TrafficClass : std::uint8_t { interactive, bulk, bounce };
constexpr std::size_t kTrafficClasses = 3;
constexpr std::size_t kBulkRecipients = 20;  // a message with more recipients is bulk
std::string_view name_of(TrafficClass value);
TrafficClass classify(MessageKind kind, const mail::Envelope& envelope, std::size_t recipients);

// Everything about a message but its recipients and its content.
//
// The content lies in one of three forms: all of it in the store; its header section in the store
// and its body in a file; or all of it in a file, where the header section is too large to lie
// apart, or the message came from an older program. Whoever reads content asks the functions below
// how much lies where.
struct MessageInfo {
  mail::QueueId id;
  mail::Envelope envelope;  // its recipients list stays empty
  ipc::Arrival arrival;
  std::uint64_t size = 0;  // octets of the whole content
  bool eight_bit = false;
  bool in_file = false;  // the body lies in a file below content/
  // Octets of the header section that lies apart from the file, with the empty line behind it;
  // kHeaderApartMax at most. 0: nothing lies apart.
  std::uint32_t header_size = 0;
  MessageKind kind = MessageKind::mail;
  TrafficClass traffic_class = TrafficClass::interactive;

  // Whether something of the content lies in the store, and how many octets.
  bool has_stored_content() const { return !in_file || header_size > 0; }
  std::uint64_t stored_size() const { return in_file ? header_size : size; }
  // How many octets the file has; what stands in the store goes before them.
  std::uint64_t size_of_file() const { return in_file ? size - stored_size() : 0; }
  // What comes from a disk may be damaged: whether these numbers can be true together.
  bool has_sane_header_size() const;
};

struct NewRecipient {
  mail::Recipient recipient;
  std::string destination;
  std::string given{};          // the address the client gave, where another came of it
  std::uint32_t count_key = 0;  // QueueCounts::CountKey, once it is committed
};

// The message that filters have judged, as it lay in the store while they did (judging.h). What
// they made of it takes its place, if nobody has changed it since.
struct JudgedMessage {
  struct Recipient {
    std::uint32_t index = 0;
    bool held = false;
    bool operator==(const Recipient&) const = default;
  };
  mail::QueueId id;
  std::vector<Recipient> recipients;
};

// A message on its way into the store. Recipient i of the list gets the index i for life.
struct NewMessage {
  MessageInfo info;
  std::vector<NewRecipient> recipients;
  std::string content;     // what the store keeps of it (MessageInfo::stored_size)
  std::string message_id;  // of the header section, where it was looked at already; for the history
  std::string given_sender{};  // whom the client named, where another reverse-path came of it
  bool srs = false;            // it came of it by SRS, since the mail is passed on
  mail::QueueId part_of{};     // split off from this one, for a reverse-path of its own
  std::string held_for{};      // not empty: its recipients are held from the start, and this is why
  std::string judgements{};    // what filters said of it (ipc::encode_judgements())
  bool restored = false;       // of another queue: its recipients are expanded already
  bool local = false;          // the filters for what comes into being here are to be asked first
  std::optional<JudgedMessage> judged{};  // they have been
  // The user of this machine who submitted it; nothing where it came over the network or was made
  // here.
  std::optional<std::uint32_t> uid{};
  // To be stored as a compact record (compact_record.h). Then its recipients are in the working
  // set, or it waits in the overflow list, or somebody has asked the store to normalise it.
  bool is_compact = false;
};

enum class RecipientState : std::uint8_t { waiting, held };

// What the last attempt said: for lists, and for the bounce when the lifetime ends.
struct LastOutcome {
  WallTime at{};  // zero: no attempt yet
  mail::Stage stage = mail::Stage::local;
  mail::Reply reply;
  std::string remote_host;
};

// One row of the recipient table.
struct StoredRecipient {
  std::uint32_t index = 0;
  mail::Recipient recipient;
  RecipientState state = RecipientState::waiting;
  std::string destination;
  std::uint32_t attempts = 0;
  WallTime next_attempt_at{};
  bool in_doubt = false;
  bool delay_warned = false;
  LastOutcome last;
  std::uint32_t crashes = 0;  // agents in a row that died while they had it
};

struct StoredMessage {
  MessageInfo info;
  std::vector<StoredRecipient> recipients;  // in index order
};

// What a next hop said of a recipient, at a probe or at a delivery (table recipient_check).
struct RecipientCheck {
  std::string address;  // in lower case
  bool good = false;
  mail::Reply reply;
  WallTime at{};
};

// A breaker that is open (table destination).
struct OpenBreaker {
  std::string destination;
  std::uint32_t opens = 0;
  WallTime opened_at{};
  WallTime hold_until{};
  std::string reason;
};

// A domain's MTA-STS policy (table sts_policy).
struct KnownStsPolicy {
  std::string domain;
  mail::StsPolicy policy;
};

// The hosts behind a destination (table mx_set).
struct KnownMxSet {
  std::string destination;
  std::string hosts;
};

// Time that passed on the clock while nobody of us looked: Postwain did not run, or the clock was
// set forward (table clock_gap). It does not count for the age of messages of before.
struct ClockGap {
  WallTime at{};  // its beginning, as the clock showed it
  Duration length{};
};

// An operator's word that a destination is left alone (table suspension).
struct Suspension {
  std::string destination;
  WallTime since{};
  WallTime until = WallTime::max();  // that: until further notice
  std::string author;
  std::string reason;
};

}  // namespace postwain::qmgr
