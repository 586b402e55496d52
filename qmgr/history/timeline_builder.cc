#include "qmgr/history/timeline_builder.h"

#include <algorithm>

#include "common/base/sane_time.h"
#include "common/mail/address.h"
#include "common/mail/outcome.h"

#include "qmgr/store/decided.h"

namespace postwain::qmgr {

namespace {

RefusedAttempt refused_of(const RefusalRecord& r, const std::string& node) {
  RefusedAttempt out;
  out.at = sane_time(r.at);
  out.count = r.count;
  out.client_address = r.client;
  out.client_name = r.name;
  out.listener = r.listener;
  out.sender = r.sender;
  out.recipient = r.recipient;
  out.stage = r.stage;
  out.reply = r.code == 0 ? std::string(r.text)
                          : mail::Reply{r.code, r.enhanced, std::string(r.text)}.one_line();
  out.reason = r.reason;
  out.judgements = r.judgements;
  out.node = node;
  return out;
}

TimelineEvent event_of(const EventRecord& r, const std::string& node) {
  TimelineEvent event;
  event.at = sane_time(r.at);
  event.kind = r.kind;
  event.stage = r.stage;
  event.in_doubt = r.in_doubt;
  event.began_at = sane_time(r.began_at);
  event.next_attempt_at = sane_time(r.next_attempt_at);
  event.other = r.other;
  event.host = r.host;
  event.address = r.host_address;
  event.reply = reply_text(r);
  event.tls = r.tls;
  event.why = r.why;
  event.who = r.who;
  event.times = r.times;
  event.signing = r.signing;
  event.node = node;
  return event;
}

// As HistoryStore::write_discard() has it.
TimelineEvent discard_of(const ArrivalRecord& r, const std::string& node) {
  TimelineEvent event;
  event.kind = HistoryKind::delivered;
  event.at = sane_time(r.discarded_at);
  event.host = kDiscardHost;
  event.why = r.discarded_why;
  event.node = node;
  return event;
}

Timeline timeline_of(const ArrivalRecord& r, const std::string& node, std::string_view query) {
  Timeline timeline;
  timeline.id = r.id;
  timeline.part_of = r.part_of;
  timeline.known = true;
  timeline.received_at = sane_time(r.received_at);
  timeline.sender = r.sender;
  timeline.given_sender = r.given_sender;
  timeline.srs = r.srs;
  timeline.message_id = r.message_id;
  timeline.protocol = r.protocol;
  timeline.client_address = r.client_address;
  timeline.client_name = r.client_name;
  timeline.account = r.account;
  timeline.uid = r.uid;
  timeline.size = r.size;
  timeline.kind = r.kind;
  timeline.require_tls = r.require_tls;
  timeline.tls_required_no = r.tls_required_no;
  timeline.judgements = r.judgements;
  timeline.node = node;
  std::uint32_t index = 0;
  for (const ArrivalRecord::To& to : r.recipients) {
    TimelineRecipient recipient{
        index++, std::string(to.address), std::string(to.destination), std::string(to.given), {}};
    if (r.discarded_at != 0) recipient.events.push_back(discard_of(r, node));
    add_recipient(timeline, std::move(recipient), query);
  }
  return timeline;
}

auto recipient_at(Timeline& timeline, std::uint32_t index) {
  return std::lower_bound(
      timeline.recipients.begin(), timeline.recipients.end(), index,
      [](const TimelineRecipient& r, std::uint32_t wanted) { return r.index < wanted; });
}

// Of a message whose arrival is not known each recipient is known with his first event.
void know_recipient(Timeline& timeline, const EventRecord& r) {
  auto at = recipient_at(timeline, r.index);
  bool known = at != timeline.recipients.end() && at->index == r.index;
  if (timeline.known || known || r.recipient.empty()) return;
  if (timeline.recipients.size() >= kTraceRecipients)
    timeline.cut = true;
  else
    timeline.recipients.insert(
        at, {r.index, std::string(r.recipient), std::string(r.destination), {}, {}});
}

void add_event(Timeline& timeline, const EventRecord& r, const std::string& node) {
  auto at = recipient_at(timeline, r.index);
  if (at == timeline.recipients.end() || at->index != r.index) return;
  if (at->events.size() >= kTraceEvents)
    timeline.cut = true;
  else
    at->events.push_back(event_of(r, node));
}

// Which message a record is of; 0: of none.
mail::QueueId id_of_record(RecordReader::Kind kind, const ArrivalRecord& arrival,
                           const EventRecord& event, const RecordReader& reader) {
  switch (kind) {
    case RecordReader::Kind::arrival:
      return arrival.id;
    case RecordReader::Kind::event:
    case RecordReader::Kind::known:
      return event.id;
    case RecordReader::Kind::judgements:
      return reader.judgements().id;
    case RecordReader::Kind::refusal:
    case RecordReader::Kind::end:
    case RecordReader::Kind::broken:
      break;
  }
  return {};
}

}  // namespace

std::vector<std::uint64_t> HistoryQuery::keys() const {
  if (!client.empty()) return {key_of_client(client)};
  std::vector<std::uint64_t> keys{key_of_address(text), key_of_message_id(text),
                                  key_of_remote_id(text)};
  if (auto id = mail::QueueId::parse(text)) keys.push_back(key_of(*id));
  return keys;
}

// --- the first look ---------------------------------------------------------------------------

MessagesMeant::MessagesMeant(const HistoryQuery& query)
    : query_(query),
      bare_(without_brackets(query.text)),
      address_key_(bare_.empty() ? std::string() : mail::address_key(bare_)),
      id_(mail::QueueId::parse(query.text).value_or(mail::QueueId{})) {}

bool MessagesMeant::is_address(std::string_view text) const {
  return !text.empty() && !address_key_.empty() && mail::address_key(text) == address_key_;
}

void MessagesMeant::add(mail::QueueId id) {
  if (ids_.insert(id).second) ++count_;
  if (ids_.size() > kMeantMost) ids_.erase(ids_.begin());
}

void MessagesMeant::look_at(const ArrivalRecord& r) {
  auto is_recipient = [this](const ArrivalRecord::To& to) {
    return is_address(to.address) || is_address(to.given);
  };
  bool meant = is_address(r.sender) || is_address(r.given_sender) ||
               (!r.message_id.empty() && without_brackets(r.message_id) == bare_) ||
               std::any_of(r.recipients.begin(), r.recipients.end(), is_recipient);
  if (id_.value != 0) meant = meant || r.id == id_ || r.part_of == id_;
  if (meant) add(r.id);
}

void MessagesMeant::look_at(const EventRecord& r) {
  bool meant = is_address(r.recipient) || (id_.value != 0 && r.id == id_);
  if (!meant && r.kind == HistoryKind::delivered) meant = remote_queue_id(r.text) == bare_;
  if (meant) add(r.id);
}

void MessagesMeant::look_at(const RefusalRecord& r, const std::string& node) {
  RefusedAttempt refused = refused_of(r, node);
  if (address_key_.empty() && query_.client.empty()) return;
  if (is_meant(refused, address_key_, query_.client) && refused_.size() < kRefusalsMost)
    refused_.push_back(std::move(refused));
}

void MessagesMeant::look(std::string_view records, const std::string& node) {
  RecordReader reader(records);
  ArrivalRecord arrival;
  EventRecord event;
  for (;;) {
    RecordReader::Kind kind = reader.next(arrival, event);
    if (kind == RecordReader::Kind::end || kind == RecordReader::Kind::broken) return;
    if (kind == RecordReader::Kind::refusal) look_at(reader.refusal(), node);
    // Messages have no client to be found by.
    if (!query_.client.empty() || bare_.empty()) continue;
    if (kind == RecordReader::Kind::arrival) look_at(arrival);
    if (kind == RecordReader::Kind::event || kind == RecordReader::Kind::known) look_at(event);
  }
}

std::vector<mail::QueueId> MessagesMeant::ids() const {
  std::vector<mail::QueueId> ids(ids_.rbegin(), ids_.rend());
  // What was split off from a message comes with it.
  std::size_t most = id_.value != 0 ? kMeantMost : std::min(query_.limit, kMeantMost);
  if (ids.size() > most) ids.resize(most);
  return ids;
}

std::vector<RefusedAttempt> MessagesMeant::refused() && {
  return std::move(refused_);
}

// --- the second look --------------------------------------------------------------------------

void TimelineBuilder::look(std::string_view records, const std::string& node) {
  RecordReader reader(records);
  ArrivalRecord arrival;
  EventRecord event;
  std::string picked;
  for (;;) {
    RecordReader::Kind kind = reader.next(arrival, event);
    if (kind == RecordReader::Kind::end || kind == RecordReader::Kind::broken) break;
    if (kind == RecordReader::Kind::refusal || full()) continue;
    if (ids_.count(id_of_record(kind, arrival, event, reader)) == 0) continue;
    picked.append(reader.octets());
    octets_ += reader.octets().size();
  }
  if (!picked.empty()) picked_.emplace_back(node, std::move(picked));
}

void TimelineBuilder::take(std::string_view records, const std::string& node,
                           std::string_view query, Messages& messages) {
  RecordReader reader(records);
  ArrivalRecord arrival;
  EventRecord event;
  for (;;) {
    RecordReader::Kind kind = reader.next(arrival, event);
    if (kind == RecordReader::Kind::end || kind == RecordReader::Kind::broken) return;
    mail::QueueId id = id_of_record(kind, arrival, event, reader);
    Timeline& timeline = messages[id];
    timeline.id = id;
    if (kind == RecordReader::Kind::arrival)
      add_to(timeline, timeline_of(arrival, node, query));
    else if (kind == RecordReader::Kind::judgements)
      timeline.judgements = reader.judgements().judgements;
    else
      know_recipient(timeline, event);
    if (kind == RecordReader::Kind::event) add_event(timeline, event, node);
  }
}

// Each node's first, since its words are in order.
std::vector<Timeline> TimelineBuilder::timelines(const std::string& asked) && {
  auto as_id = mail::QueueId::parse(asked);
  const std::string query = as_id ? as_id->text() : asked;
  std::map<std::string, Messages> of_nodes;
  while (!picked_.empty()) {
    auto& [node, records] = picked_.back();
    take(records, node, query, of_nodes[node]);
    picked_.pop_back();
  }
  Messages all;
  for (auto& [node, messages] : of_nodes)
    for (auto& [id, timeline] : messages) {
      Timeline& whole = all[id];
      whole.id = id;
      add_to(whole, std::move(timeline));
    }
  std::vector<Timeline> found;
  for (auto one = all.rbegin(); one != all.rend(); ++one) {
    Timeline& timeline = one->second;
    timeline.cut = timeline.cut || full();
    if (is_meant(timeline, query)) found.push_back(std::move(timeline));
  }
  return found;
}

}  // namespace postwain::qmgr
