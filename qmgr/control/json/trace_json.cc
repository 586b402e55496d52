#include "qmgr/control/json/trace_json.h"

#include <algorithm>
#include <sstream>

#include <nlohmann/json.hpp>

#include "common/ipc/judgements.h"
#include "common/mail/reported/signing_record.h"

#include "qmgr/control/json/json_text.h"
#include "qmgr/model/held_domains.h"
#include "qmgr/model/list_filter.h"
#include "qmgr/store/decided.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

std::string time_text(WallTime time) {
  return time == WallTime{} ? std::string() : format_rfc3339_ms(time);
}

bool is_attempt(HistoryKind kind) {
  return kind == HistoryKind::delivered || kind == HistoryKind::deferred ||
         kind == HistoryKind::failed;
}

// {"connect": 12, "final_reply": 205}, from "connect 12 final_reply 205".
Json stages_json(std::string_view times) {
  Json out = Json::object();
  std::istringstream words{std::string(times)};
  std::string stage;
  for (std::int64_t ms = 0; words >> stage >> ms;) out[stage] = ms;
  return out;
}

// Events are many, and texts in them grow when they become JSON: what has no room any more is left
// out, and the message is not complete then.
class Room {
 public:
  bool takes(const Json& event) {
    std::size_t size = write_json(event).size();
    full_ = full_ || size > left_;
    if (!full_) left_ -= size;
    return !full_;
  }
  bool full() const { return full_; }

 private:
  std::size_t left_ = kTraceMax;
  bool full_ = false;
};

// A peer's reply has a code, also that of a host of this name.
std::string_view shown_name(const TimelineEvent& event) {
  bool discarded = event.kind == HistoryKind::delivered && event.host == kDiscardHost &&
                   event.stage == mail::Stage::local;
  return discarded ? "discarded" : name_of(event.kind);
}

// {"result": "sealed", "instance": 2, "signatures": [{"domain": …, "selector": …, "algorithm": …}]}
Json signing_json(const mail::SigningRecord& signing) {
  Json out;
  out["result"] = name_of(signing.end);
  if (signing.instance != 0) out["instance"] = signing.instance;
  Json& signatures = out["signatures"] = Json::array();
  for (const mail::MadeSignature& one : signing.signatures)
    signatures.push_back(
        {{"domain", one.domain}, {"selector", one.selector}, {"algorithm", one.algorithm}});
  return out;
}

// Nothing where nothing was to be signed.
void add_signing(Json& out, std::string_view text) {
  mail::SigningRecord signing = mail::SigningRecord::from_text(text);
  if (signing.end != mail::SigningEnd::none) out["signing"] = signing_json(signing);
}

Json event_json(const TimelineEvent& event) {
  Json out;
  out["time"] = time_text(event.at);
  out["event"] = shown_name(event);
  out["host"] = event.host;
  out["address"] = event.address;
  out["stage"] = is_attempt(event.kind) ? mail::name_of(event.stage) : "";
  out["reply"] = event.reply;
  out["tls"] = event.tls;
  out["in_doubt"] = event.in_doubt;
  out["next_attempt_at"] = time_text(event.next_attempt_at);
  out["why"] = event.why;
  if (event.began_at != WallTime{}) {
    out["began_at"] = time_text(event.began_at);
    out["took_ms"] = std::max<std::int64_t>(0, (event.at - event.began_at).count());
    out["stages_ms"] = stages_json(event.times);
  }
  add_signing(out, event.signing);
  if (!event.who.empty()) out["who"] = event.who;
  if (!event.node.empty()) out["node"] = event.node;
  if (event.other.value != 0) out["id"] = event.other.text();
  return out;
}

// What the events alone say: the name of the last one that changed the state.
std::string_view told_state(const TimelineRecipient& recipient) {
  std::string_view state = "queued";
  for (const TimelineEvent& event : recipient.events) {
    switch (event.kind) {
      case HistoryKind::delivered:
      case HistoryKind::deferred:
      case HistoryKind::failed:
      case HistoryKind::expired:
      case HistoryKind::held:
      case HistoryKind::cancelled:
      case HistoryKind::returned:
        state = shown_name(event);
        break;
      case HistoryKind::released:
      case HistoryKind::retried:
        state = "queued";
        break;
      case HistoryKind::bounced:
      case HistoryKind::warned:
      case HistoryKind::reported:
      case HistoryKind::in_doubt:
      case HistoryKind::dropped:
      case HistoryKind::adopted:
        break;
    }
  }
  return state;
}

bool is_final(std::string_view state) {
  return state != "queued" && state != "deferred" && state != "held";
}

// When it is tried next, and what it waits for, if that is something else than its time.
void add_next(Json& out, const MessageInfo& info, const StoredRecipient& row, const RowView& view) {
  WallTime now = wall_now();
  std::optional<Wait> wait = view.wait_of ? view.wait_of(info, row) : std::nullopt;
  WallTime next = next_attempt(row, wait ? &*wait : nullptr, now);
  out["next_attempt_at"] = next == WallTime{} ? std::string() : format_rfc3339_ms(next);
  if (!wait) return;
  out["waiting_for"] = name_of(wait->cause);
  out["waiting_reason"] = wait->words(now);
}

Json recipient_json(const TimelineRecipient& recipient, const Timeline& timeline,
                    const std::optional<StoredMessage>& queued, const StoredRecipient* row,
                    const RowView& view, Room& room) {
  bool active = row != nullptr && view.is_active(timeline.id, row->index);
  Json out;
  out["address"] = recipient.address;
  std::string_view state = told_state(recipient);
  // The queue knows best, except for an outcome it has not committed yet. What has left the queue
  // with no word of how: that part of the history was lost.
  if (row != nullptr && !is_final(state)) state = name_of(shown_state(*row, active));
  if (row == nullptr && !is_final(state)) state = "unknown";
  out["state"] = state;
  bool waits = row != nullptr && (state == "queued" || state == "deferred");
  if (waits)
    add_next(out, queued->info, *row, view);
  else
    out["next_attempt_at"] = "";
  Json& events = out["events"] = Json::array();
  if (timeline.known) {
    Json received;
    received["time"] = time_text(timeline.received_at);
    received["event"] = "received";
    if (!timeline.node.empty()) received["node"] = timeline.node;
    events.push_back(std::move(received));
    if (!recipient.given.empty()) {
      Json expanded;
      expanded["time"] = time_text(timeline.received_at);
      expanded["event"] = "expanded";
      expanded["given"] = recipient.given;
      events.push_back(std::move(expanded));
    }
    // What a filter discarded never had a route.
    if (!recipient.destination.empty()) {
      Json routed;
      routed["time"] = time_text(timeline.received_at);
      routed["event"] = "routed";
      routed["destination"] = unsplit_key(recipient.destination);
      events.push_back(std::move(routed));
    }
  }
  for (const TimelineEvent& event : recipient.events) {
    Json one = event_json(event);
    if (!room.takes(one)) break;
    events.push_back(std::move(one));
  }
  return out;
}

Json edits_json(const ipc::FilterEditKinds& edited) {
  return {{"headers", edited.headers},
          {"body", edited.body},
          {"recipients", edited.recipients},
          {"sender", edited.sender}};
}

double points(std::int32_t thousandths) {
  return static_cast<double>(thousandths) / 1000;
}

Json judgement_json(const ipc::FilterJudgement& one) {
  Json out;
  out["filter"] = one.filter;
  out["stage"] = ipc::name_of(one.stage);
  out["verdict"] = one.hold ? "hold" : ipc::name_of(one.verdict);
  out["text"] = one.text;
  out["ms"] = one.milliseconds;
  out["mode"] = one.watch ? "watch" : "enforce";
  out["edits"] = one.edits;
  const ipc::FilterEditKinds& edited = one.edited;
  if (edited.headers > 0 || edited.recipients > 0 || edited.body || edited.sender)
    out["edited"] = edits_json(edited);
  if (one.edits_not_allowed > 0) out["not_allowed"] = one.edits_not_allowed;
  if (one.failure != ipc::FilterFailure::none) out["failure"] = ipc::name_of(one.failure);
  if (one.score == 0 && one.score_limit == 0 && one.scores.empty()) return out;
  out["score"] = points(one.score);
  out["score_limit"] = points(one.score_limit);
  Json& scores = out["scores"] = Json::array();
  for (const ipc::FilterScore& score : one.scores)
    scores.push_back({{"name", score.name}, {"score", points(score.thousandths)}});
  return out;
}

// Nothing where no filter was asked.
void add_judgements(Json& out, std::string_view octets) {
  std::optional<ipc::Judgements> judgements = ipc::decode_judgements(octets);
  if (!judgements || judgements->list.empty()) return;
  Json& list = out["judgements"] = Json::array();
  for (const ipc::FilterJudgement& one : judgements->list) list.push_back(judgement_json(one));
  if (judgements->cut) out["judgements_cut"] = true;
}

}  // namespace

std::string json_live(const Recorder::Live& live) {
  const EventRecord& event = live.event;
  Json out;
  out["time"] = format_rfc3339_ms(from_unix_ms(event.at));
  out["event"] = live.name;
  out["id"] = event.id.text();
  out["recipient"] = event.recipient;
  out["destination"] = unsplit_key(event.destination);
  if (live.name == "received") {
    out["sender"] = live.sender;
    out["client"] = event.host_address;
    out["size"] = live.size;
  } else {
    out["host"] = event.host;
    out["address"] = event.host_address;
    out["stage"] = is_attempt(event.kind) ? mail::name_of(event.stage) : "";
    out["reply"] = mail::Reply{event.code, event.enhanced, std::string(event.text)}.one_line();
    out["tls"] = event.tls;
    out["in_doubt"] = event.in_doubt;
    out["next_attempt_at"] =
        event.next_attempt_at != 0 ? format_rfc3339_ms(from_unix_ms(event.next_attempt_at)) : "";
    out["why"] = event.why;
    out["who"] = event.who;
    if (is_attempt(event.kind)) out["stages_ms"] = stages_json(event.times);
    add_signing(out, event.signing);
  }
  return write_json(std::move(out));
}

std::string json_dropped(std::uint64_t events) {
  return Json{{"dropped", events}}.dump();
}

std::string json_trace(const Timeline& timeline, const std::optional<StoredMessage>& queued,
                       const RowView& view, const std::string& owner) {
  Json out;
  out["id"] = timeline.id.text();
  if (!timeline.node.empty()) out["node"] = timeline.node;
  if (queued && !owner.empty()) out["owner"] = owner;
  if (timeline.part_of.value != 0) out["part_of"] = timeline.part_of.text();
  out["message_id"] = timeline.message_id;
  out["sender"] = timeline.sender;
  if (!timeline.given_sender.empty()) out["given_sender"] = timeline.given_sender;
  if (timeline.srs) out["srs"] = true;
  out["received_at"] = timeline.known ? time_text(timeline.received_at) : std::string();
  out["protocol"] = timeline.protocol;
  out["client_address"] = timeline.client_address;
  out["client_name"] = timeline.client_name;
  out["account"] = timeline.account;
  if (timeline.uid != kNoUid) out["uid"] = timeline.uid;
  out["size"] = timeline.size;
  out["require_tls"] = timeline.require_tls;
  out["tls_required_no"] = timeline.tls_required_no;
  constexpr const char* kKinds[] = {"mail", "notice", "double_bounce"};
  out["kind"] = kKinds[static_cast<std::size_t>(timeline.kind) % 3];
  out["complete"] = timeline.known && !timeline.cut;
  // What runs at this moment, and what waits for what, only the owner knows.
  const RowView seen =
      owner.empty() ? view : RowView([](mail::QueueId, std::uint32_t) { return false; });
  Room events;
  Room recipients_room;
  Json recipients = Json::array();
  for (const TimelineRecipient& r : timeline.recipients) {
    const StoredRecipient* row = nullptr;
    if (queued)
      for (const StoredRecipient& one : queued->recipients)
        if (one.index == r.index) row = &one;
    Json one = recipient_json(r, timeline, queued, row, seen, events);
    Json rest = one;
    rest.erase("events");
    if (!recipients_room.takes(rest)) break;
    recipients.push_back(std::move(one));
  }
  if (events.full() || recipients_room.full()) out["complete"] = false;
  out["recipients"] = std::move(recipients);
  add_judgements(out, timeline.judgements);
  return write_json(std::move(out));
}

std::string json_refused(const RefusedAttempt& refused) {
  Json out;
  out["refused_at"] = format_rfc3339_ms(refused.at);
  out["count"] = refused.count;
  out["client_address"] = refused.client_address;
  out["client_name"] = refused.client_name;
  out["listener"] = refused.listener;
  out["sender"] = refused.sender;
  out["recipient"] = refused.recipient;
  out["stage"] = refused.stage;
  out["reply"] = refused.reply;
  out["reason"] = refused.reason;
  if (!refused.node.empty()) out["node"] = refused.node;
  add_judgements(out, refused.judgements);
  return write_json(std::move(out));
}

Timeline timeline_of(const StoredMessage& message) {
  const MessageInfo& info = message.info;
  Timeline timeline;
  timeline.id = info.id;
  timeline.known = true;
  timeline.received_at = info.arrival.received_at;
  timeline.sender = info.envelope.reverse_path.text();
  timeline.protocol = info.arrival.protocol;
  timeline.client_address = info.arrival.client_address;
  timeline.client_name = info.arrival.client_name;
  timeline.account = info.arrival.account;
  timeline.size = info.size;
  timeline.kind = info.kind;
  timeline.require_tls = info.envelope.require_tls;
  timeline.tls_required_no = info.envelope.tls_required_no;
  timeline.cut = true;
  for (const StoredRecipient& row : message.recipients) {
    TimelineRecipient r;
    r.index = row.index;
    r.address = row.recipient.address.text();
    r.destination = row.destination;
    if (row.last.at != WallTime{}) {
      TimelineEvent last;
      last.at = row.last.at;
      last.stage = row.last.stage;
      last.host = row.last.remote_host;
      last.reply = row.last.reply.one_line();
      last.in_doubt = row.in_doubt;
      last.next_attempt_at = row.next_attempt_at;
      r.events.push_back(std::move(last));
    }
    timeline.recipients.push_back(std::move(r));
  }
  return timeline;
}

}  // namespace postwain::qmgr
