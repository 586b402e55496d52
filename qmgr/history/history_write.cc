// Writing and forgetting.
#include <algorithm>

#include "common/base/check.h"
#include "common/base/text.h"

#include "qmgr/disk/failpoint.h"
#include "qmgr/history/history_store.h"
#include "qmgr/model/row_id.h"
#include "qmgr/store/decided.h"

namespace postwain::qmgr {

Status HistoryStore::run(Sql which) {
  Use use(sql(which));
  if (!use.done()) return error(which);
  return {};
}

Status HistoryStore::write(std::string_view records, WallTime now) {
  if (Status s = run(Sql::begin); !s) return s;
  std::int64_t former_event = next_event_;
  Status done = turn_segment(now);
  if (done) done = write_all(records);
  if (done) done = write_lookups();
  if (done) done = sqlite_failpoint(Failpoint::history_commit);
  if (done) done = run(Sql::commit);
  keys_.clear();
  pending_.reset();
  also_.clear();
  if (done) return done;
  arrivals_.clear();
  next_event_ = former_event;
  if (db_.in_transaction()) (void)run(Sql::roll_back);
  return done;
}

Status HistoryStore::turn_segment(WallTime now) {
  bool fits = segment_ > 0 && segment_messages_ < kSegmentMessages &&
              now < segment_began_ + kSegmentAge && now >= segment_began_ - kSegmentAge;
  if (fits) return {};
  Use use(sql(Sql::put_segment));
  if (!use.number(segment_ + 1).number(to_unix_ms(now)).done()) return error(Sql::put_segment);
  ++segment_;
  arrivals_.clear();
  segment_began_ = now;
  segment_messages_ = 0;
  return {};
}

Status HistoryStore::write_all(std::string_view records) {
  RecordReader reader(records);
  ArrivalRecord arrival;
  EventRecord event;
  for (;;) {
    switch (reader.next(arrival, event)) {
      case RecordReader::Kind::arrival:
        if (Status s = write_arrival(arrival); !s) return s;
        break;
      case RecordReader::Kind::event:
        if (Status s = take_event(event); !s) return s;
        break;
      case RecordReader::Kind::refusal:
        if (Status s = write_refusal(reader.refusal()); !s) return s;
        break;
      case RecordReader::Kind::judgements:
        if (Status s =
                write_judgements(number_of(reader.judgements().id), reader.judgements().judgements);
            !s)
          return s;
        break;
      case RecordReader::Kind::known:
        if (Status s = make_known(event); !s) return s;
        break;
      // We wrote it ourselves, into memory.
      case RecordReader::Kind::broken:
        PW_CHECK(false);
        [[fallthrough]];
      case RecordReader::Kind::end:
        return write_pending();
    }
  }
}

Status HistoryStore::write_arrival(const ArrivalRecord& r) {
  std::int64_t id = number_of(r.id);
  // Who tells of a discarded message may say nothing of another one.
  if (r.discarded_at != 0) {
    Result<bool> known = knows_arrival(id);
    if (!known) return known.error();
    if (*known) return {};
  }
  {
    Use use(sql(Sql::put_message));
    use.number(id).flag(true).number(r.received_at).text(r.sender).text(r.message_id);
    use.text(r.protocol).text(r.client_address).text(r.client_name).text(r.account);
    use.number(static_cast<std::int64_t>(r.size)).number(static_cast<int>(r.kind));
    use.flag(r.require_tls).flag(r.tls_required_no).number(number_of(r.part_of));
    encode_recipients(recipients_, r.recipients);
    use.text(r.given_sender).blob(recipients_).number(r.uid).flag(r.srs);
    if (!use.done()) return error(Sql::put_message);
  }
  ++segment_messages_;
  arrivals_.insert(id);
  if (!r.sender.empty()) keys_.emplace_back(lookup_hash(LookupKind::address, r.sender), id);
  if (!r.given_sender.empty())
    keys_.emplace_back(lookup_hash(LookupKind::address, r.given_sender), id);
  if (!r.message_id.empty())
    keys_.emplace_back(lookup_hash(LookupKind::message_id, r.message_id), id);
  if (r.part_of.value != 0) keys_.emplace_back(lookup_hash(LookupKind::part, r.part_of.text()), id);
  for (const ArrivalRecord::To& to : r.recipients) {
    if (!to.given.empty()) keys_.emplace_back(lookup_hash(LookupKind::address, to.given), id);
    keys_.emplace_back(lookup_hash(LookupKind::address, to.address), id);
  }
  if (!r.judgements.empty())
    if (Status s = write_judgements(id, r.judgements); !s) return s;
  return r.discarded_at != 0 ? write_discard(r) : Status{};
}

// Of a message that is known, so that they go with it.
Status HistoryStore::write_judgements(std::int64_t id, std::string_view judgements) {
  Use use(sql(Sql::put_judgements));
  if (!use.number(id).blob(judgements).done()) return error(Sql::put_judgements);
  return {};
}

// As mail that the configuration discards: it ends like a delivery, to a host of that name.
Status HistoryStore::write_discard(const ArrivalRecord& r) {
  EventRecord event;
  event.id = r.id;
  event.kind = HistoryKind::delivered;
  event.at = r.discarded_at;
  event.host = kDiscardHost;
  event.why = r.discarded_why;
  for (const ArrivalRecord::To& to : r.recipients) {
    event.recipient = to.address;
    if (Status s = take_event(event); !s) return s;
    ++event.index;
  }
  return {};
}

// Of anything that was ever heard of the message.
Result<bool> HistoryStore::knows_arrival(std::int64_t id) {
  Use use(sql(Sql::arrival_known));
  Use::Step step = use.number(id).step();
  if (step == Use::Step::failed) return error(Sql::arrival_known);
  return step == Use::Step::row;
}

// For the first event since long, and for a message whose arrival was never written: of that one
// each recipient becomes known with his own first event.
Status HistoryStore::make_known(const EventRecord& r) {
  std::int64_t id = number_of(r.id);
  // Most of the time it came a moment ago.
  if (r.recipient.empty() || arrivals_.count(id) > 0) return {};
  keys_.emplace_back(lookup_hash(LookupKind::address, r.recipient), id);
  {
    Use use(sql(Sql::arrival_known));
    Use::Step step = use.number(id).step();
    if (step == Use::Step::failed) return error(Sql::arrival_known);
    if (step == Use::Step::row && use.flag()) return {};
  }
  {
    Use use(sql(Sql::put_known_message));
    if (!use.number(id).number(r.at).done()) return error(Sql::put_known_message);
  }
  Use use(sql(Sql::put_recipient));
  if (!use.number(id)
           .number(r.index)
           .text(r.recipient)
           .text(r.destination)
           .text(std::string_view())
           .done())
    return error(Sql::put_recipient);
  return {};
}

// What happens to several recipients of a message at once becomes one row.
Status HistoryStore::take_event(const EventRecord& r) {
  if (Status s = make_known(r); !s) return s;
  bool joins = pending_ && same_but_recipient(*pending_, r) &&
               r.index > (also_.empty() ? pending_->index : also_.back());
  if (joins) {
    also_.push_back(r.index);
    return {};
  }
  if (Status s = write_pending(); !s) return s;
  pending_ = r;
  return {};
}

Status HistoryStore::write_pending() {
  if (!pending_) return {};
  Status written = write_event(*pending_);
  pending_.reset();
  also_.clear();
  return written;
}

namespace {

// What the column `kind` admits (queue-schema/history_migrations.cc). What came later has a column
// of its own, and this one says what is nearest to it for programs that do not know that.
HistoryKind oldest_kind(HistoryKind kind) {
  return kind == HistoryKind::adopted ? HistoryKind::in_doubt : kind;
}

}  // namespace

Status HistoryStore::write_event(const EventRecord& r) {
  std::int64_t id = number_of(r.id);
  const std::string reply = reply_text(r);
  const std::string also = ranges_text(also_);
  Use use(sql(Sql::put_event));
  use.number(id).number(next_event_++).number(r.index).number(r.at);
  const HistoryKind oldest = oldest_kind(r.kind);
  use.number(static_cast<int>(oldest)).number(static_cast<int>(r.stage)).flag(r.in_doubt);
  use.number(r.began_at).number(r.next_attempt_at).number(number_of(r.other));
  use.text(r.host)
      .text(r.host_address)
      .text(reply)
      .text(r.tls)
      .text(r.why)
      .text(r.who)
      .text(r.times)
      .text(also)
      .text(r.signing)
      .number(oldest == r.kind ? 0 : static_cast<int>(r.kind));
  if (!use.done()) return error(Sql::put_event);
  if (r.kind == HistoryKind::delivered)
    if (std::string_view remote = remote_queue_id(r.text); !remote.empty())
      keys_.emplace_back(lookup_hash(LookupKind::remote_id, remote), id);
  return {};
}

// Sorted, since neighbours share a page.
Status HistoryStore::write_lookups() {
  std::sort(keys_.begin(), keys_.end());
  keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  for (const Key& key : keys_) {
    Use use(sql(Sql::put_lookup));
    if (!use.number(segment_).number(key.first).number(key.second).done())
      return error(Sql::put_lookup);
  }
  return {};
}

// --- forgetting -------------------------------------------------------------------------------

Result<bool> HistoryStore::prune(WallTime before, std::size_t max_messages) {
  if (Status s = run(Sql::begin); !s) return s.error();
  auto ended = [this](Result<bool> result) {
    Status s = run(result ? Sql::commit : Sql::roll_back);
    if (result && !s) return Result<bool>(s.error());
    return result;
  };
  std::int64_t end = static_cast<std::int64_t>(mail::QueueIdSource(0).next(before).value);
  std::vector<std::int64_t> old;
  {
    Use use(sql(Sql::old_messages));
    use.number(prune_behind_).number(end).number(static_cast<std::int64_t>(max_messages));
    Use::Step step;
    while ((step = use.step()) == Use::Step::row) old.push_back(use.number());
    if (step == Use::Step::failed) return ended(error(Sql::old_messages));
  }
  for (std::int64_t id : old) {
    prune_behind_ = id;
    bool seen_since = false;
    {
      Use use(sql(Sql::last_event));
      Use::Step step = use.number(id).step();
      if (step == Use::Step::failed) return ended(error(Sql::last_event));
      seen_since = step == Use::Step::row && from_unix_ms(use.number()) >= before;
    }
    if (seen_since) continue;
    if (Status s = forget(id); !s) return ended(s.error());
  }
  bool more = old.size() == max_messages;
  if (!more) prune_behind_ = 0;
  Result<bool> segments = prune_segment(before, max_messages * 4);
  if (!segments) return ended(segments.error());
  Result<bool> refusals = prune_refusals(before);
  if (!refusals) return ended(refusals.error());
  return ended(more || *segments || *refusals);
}

Status HistoryStore::forget(std::int64_t message) {
  arrivals_.erase(message);
  for (Sql which :
       {Sql::remove_events, Sql::remove_recipients, Sql::remove_judgements, Sql::remove_message}) {
    Use use(sql(which));
    if (!use.number(message).done()) return error(which);
  }
  return {};
}

// The oldest segment, once the one behind it is old as well. What its lookups name is found by
// newer segments if anything was heard of it since.
Result<bool> HistoryStore::prune_segment(WallTime before, std::size_t max_lookups) {
  std::int64_t first = 0;
  {
    Use use(sql(Sql::segment_behind));
    Use::Step step = use.number(0).step();
    if (step == Use::Step::failed) return error(Sql::segment_behind);
    if (step == Use::Step::done) return false;
    first = use.number();
  }
  {
    Use use(sql(Sql::segment_behind));
    Use::Step step = use.number(first).step();
    if (step == Use::Step::failed) return error(Sql::segment_behind);
    if (step == Use::Step::done) return false;
    use.number();
    if (from_unix_ms(use.number()) >= before) return false;
  }
  {
    Use use(sql(Sql::remove_lookups));
    if (!use.number(first).number(static_cast<std::int64_t>(max_lookups)).done())
      return error(Sql::remove_lookups);
  }
  if (static_cast<std::size_t>(db_.changes()) >= max_lookups) return true;
  Use use(sql(Sql::remove_segment));
  if (!use.number(first).done()) return error(Sql::remove_segment);
  return true;
}

}  // namespace postwain::qmgr
