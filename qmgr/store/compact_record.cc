#include "qmgr/store/compact_record.h"

#include <bit>
#include <type_traits>

#include "common/ipc/codec.h"

#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

namespace {

// Raised when the coding changes; the former ones stay readable, since a queue outlives a program.
// Version 1 knew no header section apart from a body in a file, and its envelope is of format 1.
constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kWithoutHeaderSize = 1;

// How a record is coded: its version, and which fields its envelope has (mail::kEnvelopeFormat).
struct Coding {
  std::uint8_t version = kVersion;
  std::uint8_t envelope = mail::kEnvelopeFormat;
};

// Numbers are coded as they lie in memory (common/ipc/codec.h), and these are kept on disk.
static_assert(std::endian::native == std::endian::little);

template <class A, class T>
void address_field(A& a, T& address) {
  std::string text;
  if constexpr (!A::kDecoding) text = address.text();
  ipc::field(a, text);
  if constexpr (A::kDecoding) address = mail::Address::from_text(text);
}

// Of an envelope, or of what RCPT said.
template <class A, class Owner>
void envelope_fields(A& a, Owner& owner, const Coding& coding) {
  mail::visit_fields(owner, [&](const mail::FieldName& name, auto& value) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if (name.since > coding.envelope) return;
    if constexpr (std::is_same_v<Value, mail::Address>)
      address_field(a, value);
    else if constexpr (std::is_same_v<Value, mail::Notify>)
      ipc::field(a, value.bits);
    else
      ipc::field(a, value);
  });
}

template <class A, class Info>
void visit_info(A& a, Info& info, const Coding& coding) {
  envelope_fields(a, info.envelope, coding);
  ipc::time_field(a, info.arrival.received_at);
  ipc::fields(a, info.arrival.protocol, info.arrival.client_address, info.arrival.client_name,
              info.arrival.account, info.size, info.eight_bit, info.in_file);
  if (coding.version != kWithoutHeaderSize) ipc::field(a, info.header_size);
  ipc::enum_field(a, info.kind, MessageKind::double_bounce);
  ipc::enum_field(a, info.traffic_class, TrafficClass::bounce);
}

bool is_storable(const std::string& text, std::size_t octets) {
  return text.size() <= octets && text.find('\0') == std::string::npos;
}

constexpr std::size_t kTextMax = 1024;  // of one column
// The same, in schema.sql.
constexpr std::size_t kDestinationMax = 4096;
// What every engine takes in a row: an index of PostgreSQL takes no more (pg_migrations.cc).
constexpr std::size_t kDestinationEverywhere = 2000;

// Each text of an envelope, or of what RCPT said.
template <class Owner, class Each>
void for_each_text(Owner& owner, Each each) {
  mail::visit_fields(owner, [&](const mail::FieldName&, auto& value) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::string>) each(value);
  });
}

// What stood here before there was a gate (gate.h) and no table would take: it must not stand in
// the way of the rest of its message. An address that is none leads nowhere.
void mend(NewMessage& message) {
  auto clear_unstorable = [](std::string& text) {
    if (!is_storable(text, kTextMax)) text.clear();
  };
  mail::Envelope& envelope = message.info.envelope;
  if (!is_storable(envelope.reverse_path.text(), kTextMax)) envelope.reverse_path = {};
  for_each_text(envelope, clear_unstorable);
  ipc::Arrival& arrival = message.info.arrival;
  for (std::string* text :
       {&arrival.protocol, &arrival.client_address, &arrival.client_name, &arrival.account})
    if (!is_storable(*text, kTextMax)) *text = one_line(*text, kTextMax);
  for (NewRecipient& r : message.recipients) {
    if (r.recipient.address.is_null() || !is_storable(r.recipient.address.text(), kTextMax))
      r.recipient.address = mail::Address("unreadable", "damaged.invalid");
    if (r.destination.empty() || !is_storable(r.destination, kDestinationMax))
      r.destination = "mx:damaged.invalid";
    for_each_text(r.recipient, clear_unstorable);
    if (r.recipient.notify.bits > 15) r.recipient.notify = {};
  }
}

}  // namespace

void encode_compact(std::string& out, const NewMessage& message, WallTime due,
                    std::string_view content) {
  out.clear();
  ipc::Encoder a(out);
  const Coding coding;
  a.number(coding.version);
  a.number(coding.envelope);
  visit_info(a, message.info, coding);
  ipc::time_field(a, due);
  a.number(static_cast<std::uint32_t>(message.recipients.size()));
  const std::string* last = nullptr;
  for (const NewRecipient& r : message.recipients) {
    envelope_fields(a, r.recipient, coding);
    // Empty: that of the one before.
    bool same = last != nullptr && *last == r.destination;
    a.bytes(same ? std::string_view() : std::string_view(r.destination));
    last = &r.destination;
  }
  out.append(content);
}

bool fits_one_value(const NewMessage& message, std::string_view content) {
  constexpr std::size_t kContent = 1U << 20;
  constexpr std::size_t kValue = 4U << 20;
  constexpr std::size_t kHead = 16U << 10;    // more than all before the recipients
  constexpr std::size_t kEachRecipient = 32;  // more than the lengths and numbers of one
  const mail::Envelope& envelope = message.info.envelope;
  bool fits = message.info.id.value > 0 && !message.recipients.empty() &&
              message.recipients.size() <= kCompactRecipients && message.held_for.empty() &&
              envelope.reverse_path.text().size() <= kTextMax && content.size() <= kContent;
  for_each_text(envelope, [&](const std::string& text) { fits = fits && text.size() <= kTextMax; });
  std::size_t value = kHead + content.size();
  for (const NewRecipient& r : message.recipients) {
    std::size_t length = r.recipient.address.text().size();
    value += length + r.destination.size() + kEachRecipient;
    for_each_text(r.recipient, [&](const std::string& text) {
      value += text.size();
      fits = fits && text.size() <= kTextMax;
    });
    fits = fits && length > 0 && length <= kTextMax && !r.destination.empty() &&
           r.destination.size() <= kDestinationEverywhere && value <= kValue;
    if (!fits) return false;
  }
  return fits;
}

std::optional<CompactRecord> decode_compact(mail::QueueId id, std::string_view data) {
  ipc::Decoder a(data);
  Coding coding{0, 1};
  a.number(coding.version);
  if (coding.version != kVersion && coding.version != kWithoutHeaderSize) return std::nullopt;
  if (coding.version != kWithoutHeaderSize) a.number(coding.envelope);
  if (coding.envelope < 1 || coding.envelope > mail::kEnvelopeFormat) return std::nullopt;
  CompactRecord out;
  out.message.info.id = id;
  visit_info(a, out.message.info, coding);
  ipc::time_field(a, out.due);
  std::uint32_t count = 0;
  a.number(count);
  if (count == 0 || count > kCompactRecipients) return std::nullopt;
  out.message.recipients.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    NewRecipient& r = out.message.recipients[i];
    envelope_fields(a, r.recipient, coding);
    a.bytes(r.destination);
    if (r.destination.empty() && i > 0) r.destination = out.message.recipients[i - 1].destination;
  }
  if (!a.ok() || !out.message.info.has_sane_header_size()) return std::nullopt;
  mend(out.message);
  out.content = data.substr(data.size() - a.left());
  return out;
}

StoredMessage stored_message_of(CompactRecord record, std::string_view rest, std::uint32_t from,
                                std::size_t max_recipients) {
  StoredMessage out{std::move(record.message.info), {}};
  std::vector<NewRecipient>& all = record.message.recipients;
  for (std::size_t i = from; i < all.size() && out.recipients.size() < max_recipients; ++i) {
    if (!is_left(rest, i)) continue;
    StoredRecipient r;
    r.index = static_cast<std::uint32_t>(i);
    r.recipient = std::move(all[i].recipient);
    r.destination = std::move(all[i].destination);
    r.next_attempt_at = record.due;
    out.recipients.push_back(std::move(r));
  }
  return out;
}

}  // namespace postwain::qmgr
