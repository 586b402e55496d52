#include "qmgr/history/history_record.h"

#include <algorithm>
#include <tuple>

#include "common/base/text.h"
#include "common/ipc/codec.h"

namespace postwain::qmgr {

namespace {

constexpr std::uint8_t kArrival = 1;
constexpr std::uint8_t kEvent = 2;
constexpr std::uint8_t kKnown = 3;
constexpr std::uint8_t kRefusal = 4;
constexpr std::uint8_t kJudged = 5;
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
  ipc::fields(a, r.text, r.host, r.host_address, r.tls, r.times, r.signing, r.why, r.who,
              r.recipient, r.destination);
}

template <class A, class Record>
void visit_refusal(A& a, Record& r) {
  ipc::fields(a, r.at, r.count, r.client, r.name, r.listener, r.sender, r.recipient, r.stage,
              r.code, r.enhanced.klass, r.enhanced.subject, r.enhanced.detail, r.text, r.reason,
              r.judgements);
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
  constexpr std::string_view kNames[] = {
      "delivered", "deferred", "failed",    "expired",  "bounced",  "warned",  "reported", "held",
      "released",  "retried",  "cancelled", "returned", "in_doubt", "dropped", "adopted"};
  return kNames[static_cast<std::size_t>(kind)];
}

void append_record(std::string& out, const NewMessage& message, std::string_view message_id,
                   std::int64_t discarded_at, std::string_view discarded_why) {
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
  ipc::field(a, message.srs);
  a.bytes(cut(message_id));
  a.bytes(info.arrival.protocol);
  a.bytes(info.arrival.client_address);
  a.bytes(cut(info.arrival.client_name));
  a.bytes(info.arrival.account);
  a.number(message.uid ? std::int64_t{*message.uid} : kNoUid);
  ipc::fields(a, info.envelope.require_tls, info.envelope.tls_required_no);
  std::string_view judgements = message.judgements;
  bool filtered = !judgements.empty() || discarded_at != 0;
  ipc::field(a, filtered);
  if (filtered) ipc::fields(a, judgements, discarded_at, discarded_why);
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

void append_record(std::string& out, const JudgementsRecord& judgements) {
  ipc::Encoder a(out);
  a.number(kJudged);
  ipc::fields(a, judgements.id.value, judgements.judgements);
}

void append_record(std::string& out, const RefusalRecord& refusal) {
  ipc::Encoder a(out);
  a.number(kRefusal);
  RefusalRecord cut_record = refusal;
  for (std::string_view* text :
       {&cut_record.client, &cut_record.name, &cut_record.listener, &cut_record.sender,
        &cut_record.recipient, &cut_record.stage, &cut_record.text, &cut_record.reason})
    *text = cut(*text);
  visit_refusal(a, cut_record);
}

void encode_recipients(std::string& out, const std::vector<ArrivalRecord::To>& recipients) {
  out.clear();
  ipc::Encoder a(out);
  std::string_view last;
  for (const ArrivalRecord::To& to : recipients) {
    a.bytes(to.address);
    a.bytes(to.destination == last ? std::string_view() : to.destination);
    a.bytes(to.given);
    last = to.destination;
  }
}

std::vector<ArrivalRecord::To> decode_recipients(std::string_view data) {
  std::vector<ArrivalRecord::To> out;
  ipc::Decoder a(data);
  std::string_view last;
  while (a.ok() && a.left() > 0) {
    ArrivalRecord::To to;
    ipc::fields(a, to.address, to.destination, to.given);
    if (!a.ok()) break;
    if (to.destination.empty()) to.destination = last;
    last = to.destination;
    out.push_back(to);
  }
  return out;
}

std::string ranges_text(const std::vector<std::uint32_t>& numbers) {
  std::string out;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (!out.empty()) out += ',';
    out += std::to_string(numbers[i]);
    if (end - i > 1) out += '-' + std::to_string(numbers[end - 1]);
    i = end;
  }
  return out;
}

std::vector<std::uint32_t> numbers_in(std::string_view ranges) {
  constexpr std::uint32_t kMost = 100000;  // recipients of a message, and more
  std::vector<std::uint32_t> out;
  while (!ranges.empty()) {
    std::string_view part = ranges.substr(0, ranges.find(','));
    ranges.remove_prefix(std::min(ranges.size(), part.size() + 1));
    std::size_t dash = part.find('-');
    auto first = parse_decimal<std::uint32_t>(part.substr(0, dash));
    auto last = dash == std::string_view::npos
                    ? first
                    : parse_decimal<std::uint32_t>(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first >= kMost) break;
    for (std::uint32_t i = *first; i <= *last && out.size() < kMost; ++i) out.push_back(i);
  }
  return out;
}

bool same_but_recipient(const EventRecord& a, const EventRecord& b) {
  auto enhanced = [](const EventRecord& e) {
    return std::tuple(e.enhanced.klass, e.enhanced.subject, e.enhanced.detail);
  };
  auto all = [&](const EventRecord& e) {
    return std::tuple(e.id.value, e.kind, e.at, e.stage, e.in_doubt, e.began_at, e.next_attempt_at,
                      e.other.value, e.code, enhanced(e), e.text, e.host, e.host_address, e.tls,
                      e.times, e.signing, e.why, e.who);
  };
  return all(a) == all(b);
}

namespace {

void read_arrival(ipc::Decoder& a, ArrivalRecord& arrival) {
  std::uint32_t count = 0;
  bool filtered = false;
  ipc::fields(a, arrival.id.value, arrival.part_of.value, arrival.received_at, arrival.size);
  ipc::enum_field(a, arrival.kind, MessageKind::double_bounce);
  ipc::fields(a, arrival.sender, arrival.given_sender, arrival.srs, arrival.message_id,
              arrival.protocol, arrival.client_address, arrival.client_name, arrival.account,
              arrival.uid, arrival.require_tls, arrival.tls_required_no, filtered);
  arrival.judgements = arrival.discarded_why = {};
  arrival.discarded_at = 0;
  if (filtered) ipc::fields(a, arrival.judgements, arrival.discarded_at, arrival.discarded_why);
  ipc::field(a, count);
  arrival.recipients.clear();
  if (count > ipc::kListMax || count > a.left()) return a.fail();
  for (std::uint32_t i = 0; i < count && a.ok(); ++i) {
    ArrivalRecord::To& to = arrival.recipients.emplace_back();
    ipc::fields(a, to.address, to.destination, to.given);
  }
}

}  // namespace

std::string reply_text(const EventRecord& r) {
  std::string reply;
  if (r.code != 0) reply = std::to_string(r.code) + ' ';
  if (r.code != 0 || !r.text.empty())
    if (r.enhanced.present()) reply += r.enhanced.text() + ' ';
  return reply.append(r.text);
}

RecordReader::Kind RecordReader::next(ArrivalRecord& arrival, EventRecord& event) {
  if (rest_.empty()) return Kind::end;
  ipc::Decoder a(rest_);
  std::uint8_t number = 0;
  a.number(number);
  Kind kind = Kind::broken;
  switch (number) {
    case kArrival:
      kind = Kind::arrival;
      read_arrival(a, arrival);
      break;
    case kEvent:
    case kKnown:
      kind = number == kEvent ? Kind::event : Kind::known;
      visit_event(a, event);
      break;
    case kRefusal:
      kind = Kind::refusal;
      visit_refusal(a, refusal_);
      break;
    case kJudged:
      kind = Kind::judgements;
      ipc::fields(a, judgements_.id.value, judgements_.judgements);
      break;
    default:
      a.fail();
  }
  if (!a.ok()) return Kind::broken;
  octets_ = rest_.substr(0, rest_.size() - a.left());
  rest_.remove_prefix(octets_.size());
  return kind;
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
