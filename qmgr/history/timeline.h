// What became of a message, as it is told: its arrival, and what happened to each recipient. Plain
// values, and what is done with those of several sources. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qmgr/history/history_record.h"

namespace postwain::qmgr {

constexpr std::uint32_t kTraceRecipients = 1000;  // shown of one message
constexpr std::uint32_t kTraceEvents = 5000;      // shown of one message
constexpr std::size_t kTraceFoundMax = 10000;     // looked at for one query

struct TimelineEvent {
  WallTime at{};
  HistoryKind kind = HistoryKind::deferred;
  mail::Stage stage = mail::Stage::local;
  bool in_doubt = false;
  WallTime began_at{};
  WallTime next_attempt_at{};
  mail::QueueId other;
  std::string host;
  std::string address;
  std::string reply;
  std::string tls;
  std::string why;
  std::string who;
  std::string times;    // mail::StageTimes::text()
  std::string signing;  // mail::SigningRecord::text()
  std::string node;     // where it happened; empty: here
  bool operator==(const TimelineEvent&) const = default;
};

struct TimelineRecipient {
  std::uint32_t index = 0;
  std::string address;
  std::string destination;
  std::string given;                  // by the client, where the address came of another
  std::vector<TimelineEvent> events;  // in the order in which they happened
};

struct Timeline {
  mail::QueueId id;
  mail::QueueId part_of;  // the message it was split off
  bool known = false;     // the arrival is known
  WallTime received_at{};
  std::string sender;
  std::string given_sender;  // by the client, where sender came of it
  bool srs = false;          // by SRS
  std::string message_id;
  std::string protocol;
  std::string client_address;
  std::string client_name;
  std::string account;
  std::int64_t uid = kNoUid;  // of the user of this machine who submitted it
  std::uint64_t size = 0;
  MessageKind kind = MessageKind::mail;
  bool require_tls = false;  // RFC 8689, as in mail::Envelope
  bool tls_required_no = false;
  std::vector<TimelineRecipient> recipients;
  std::string judgements;  // what filters said of it (ipc::encode_judgements())
  bool cut = false;        // there are more recipients or events than are given
  std::string node;        // that took it in; empty: this one
};

// What a receiver refused, as it is kept.
struct RefusedAttempt {
  WallTime at{};
  std::uint32_t count = 1;  // so many equal ones, the last of them then
  std::string client_address;
  std::string client_name;
  std::string listener;
  std::string sender;
  std::string recipient;
  std::string stage;
  std::string reply;
  std::string reason;
  std::string judgements;
  std::string node;  // that refused it; empty: this one
  bool operator==(const RefusedAttempt&) const = default;
};

// Angle brackets are syntax, not part of what somebody looks for.
std::string_view without_brackets(std::string_view text);

// Hashes may collide: whether the query, which found this message, really names it. For the address
// of a recipient only his recipients remain.
bool is_meant(Timeline& timeline, std::string_view query);
// The same of a refusal. key: mail::address_key() of the address; key or client may be empty.
bool is_meant(const RefusedAttempt& refused, std::string_view key, std::string_view client);

// The first recipients are kept, and whoever is asked for.
void add_recipient(Timeline& timeline, TimelineRecipient recipient, std::string_view query);

// What another source knows of the same message is added: what both know, once; the rest in the
// order of time. own is what this node knows, and is believed before the other.
void add_to(Timeline& own, Timeline&& other);
// Newest first, and no more than limit.
void add_to(std::vector<Timeline>& own, std::vector<Timeline>&& others, std::size_t limit);
void add_to(std::vector<RefusedAttempt>& own, std::vector<RefusedAttempt>&& others,
            std::size_t limit);

}  // namespace postwain::qmgr
