#include "qmgr/history_record.h"

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/ipc/codec.h"

namespace postwain::qmgr {

namespace {

constexpr std::uint8_t kArrival = 1;
constexpr std::uint8_t kEvent = 2;
constexpr std::uint8_t kKnown = 3;
constexpr std::size_t kHeaderScanMax = 64U << 10;

std::string_view cut(std::string_view text, std::size_t max_bytes = kHistoryTextMax) {
  return text.substr(0, max_bytes);
}

template <class A, class Record>
void visit_event(A& a, Record& r) {
  ipc::fields(a, r.id.value, r.index);
  ipc::enum_field(a, r.kind, kLastHistoryKind);
  ipc::field(a, r.at);
  ipc::enum_field(a, r.stage, mail::Stage::final_reply);
  ipc::fields(a, r.in_doubt, r.began_at, r.next_attempt_at, r.other.value, r.code);
  ipc::fields(a, r.enhanced.klass, r.enhanced.subject, r.enhanced.detail);
  ipc::fields(a, r.text, r.host, r.host_address, r.tls, r.times, r.why, r.who, r.recipient,
              r.destination);
}

std::string_view word_before(std::string_view text, std::string_view mark) {
  std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return {};
  std::string_view before = trim(text.substr(0, at));
  std::size_t space = before.rfind(' ');
  return space == std::string_view::npos ? before : before.substr(space + 1);
}

std::string_view word_behind(std::string_view text, std::string_view mark) {
  std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return {};
  std::string_view word = text.substr(at + mark.size());
  word = word.substr(0, word.find_first_of(" \t\r\n,;)]>"));
  while (!word.empty() && word.back() == '.') word.remove_suffix(1);
  return word;
}

}  // namespace

std::string_view name_of(HistoryKind kind) {
  constexpr std::string_view kNames[] = {"delivered", "deferred", "failed",   "expired",  "bounced",
                                         "warned",    "reported", "held",     "released", "retried",
                                         "cancelled", "returned", "in_doubt", "dropped"};
  return kNames[static_cast<std::size_t>(kind)];
}

void append_record(std::string& out, const NewMessage& message, std::string_view message_id) {
  ipc::Encoder a(out);
  const MessageInfo& info = message.info;
  a.number(kArrival);
  a.number(info.id.value);
  a.number(message.part_of.value);
  a.number(to_unix_ms(info.arrival.received_at));
  a.number(info.size);
  a.number(static_cast<std::uint8_t>(info.kind));
  a.bytes(info.envelope.reverse_path.text());
  a.bytes(message.given_sender);
  a.bytes(cut(message_id));
  a.bytes(info.arrival.protocol);
  a.bytes(info.arrival.client_address);
  a.bytes(cut(info.arrival.client_name));
  a.bytes(info.arrival.account);
  ipc::fields(a, info.envelope.require_tls, info.envelope.tls_required_no);
  a.number(static_cast<std::uint32_t>(message.recipients.size()));
  for (const NewRecipient& r : message.recipients) {
    a.bytes(r.recipient.address.text());
    a.bytes(r.destination);
    a.bytes(r.given);
  }
}

namespace {

void append(std::string& out, std::uint8_t kind, const EventRecord& event) {
  ipc::Encoder a(out);
  a.number(kind);
  EventRecord cut_event = event;
  for (std::string_view* text : {&cut_event.text, &cut_event.host, &cut_event.host_address,
                                 &cut_event.tls, &cut_event.why, &cut_event.who})
    *text = cut(*text);
  visit_event(a, cut_event);
}

}  // namespace

void append_record(std::string& out, const EventRecord& event) {
  append(out, kEvent, event);
}

void append_known(std::string& out, const EventRecord& recipient) {
  append(out, kKnown, recipient);
}

RecordReader::Kind RecordReader::next(ArrivalRecord& arrival, EventRecord& event) {
  if (rest_.empty()) return Kind::end;
  ipc::Decoder a(rest_);
  std::uint8_t kind = 0;
  a.number(kind);
  if (kind != kArrival) {
    visit_event(a, event);
  } else {
    std::uint32_t count = 0;
    ipc::fields(a, arrival.id.value, arrival.part_of.value, arrival.received_at, arrival.size);
    ipc::enum_field(a, arrival.kind, MessageKind::double_bounce);
    ipc::fields(a, arrival.sender, arrival.given_sender, arrival.message_id, arrival.protocol,
                arrival.client_address, arrival.client_name, arrival.account, arrival.require_tls,
                arrival.tls_required_no, count);
    arrival.recipients.resize(std::min<std::size_t>(count, a.left()));
    for (ArrivalRecord::To& to : arrival.recipients)
      ipc::fields(a, to.address, to.destination, to.given);
  }
  // We wrote it ourselves, into memory.
  PW_CHECK(a.ok());
  rest_ = rest_.substr(rest_.size() - a.left());
  if (kind == kArrival) return Kind::arrival;
  return kind == kEvent ? Kind::event : Kind::known;
}

std::string_view message_id_in(std::string_view content) {
  constexpr std::string_view kName = "message-id";
  content = content.substr(0, kHeaderScanMax);
  std::size_t start = 0;
  while (start < content.size()) {
    std::size_t end = content.find("\r\n", start);
    if (end == start) return {};
    std::string_view line =
        content.substr(start, end == std::string_view::npos ? std::string_view::npos : end - start);
    start = end == std::string_view::npos ? content.size() : end + 2;
    if (ascii_lower(line.front()) != 'm' || !istarts_with(line, kName)) continue;
    std::string_view rest = trim(line.substr(kName.size()));
    if (rest.empty() || rest.front() != ':') continue;
    std::string_view value = trim(rest.substr(1));
    // Folded directly behind the colon (RFC 5322 2.2.3).
    if (value.empty() && start < content.size() &&
        (content[start] == ' ' || content[start] == '\t'))
      value = trim(content.substr(start, content.substr(start).find("\r\n")));
    return cut(value);
  }
  return {};
}

std::string_view remote_queue_id(std::string_view text) {
  for (std::string_view mark : {"queued as ", "Queued as ", "InternalId=", " id=", "id="})
    if (std::string_view id = word_behind(text, mark); !id.empty()) return id;
  for (std::string_view mark : {" Message accepted", " Saved"})
    if (std::string_view id = word_before(text, mark); !id.empty()) return id;
  return {};
}

}  // namespace postwain::qmgr
