// Reading: which messages a query means, and their timelines.
#include <algorithm>

#include "common/base/sane_time.h"
#include "common/base/text.h"

#include "qmgr/history/history_store.h"
#include "qmgr/model/row_id.h"

namespace postwain::qmgr {

namespace {

constexpr std::int64_t kLastSegment = INT64_MAX;

}  // namespace

Result<std::vector<Timeline>> HistoryStore::find(const std::string& query, std::size_t limit) {
  std::vector<Timeline> timelines;
  std::vector<std::int64_t> seen;
  auto add = [&](std::int64_t id) -> Status {
    if (std::find(seen.begin(), seen.end(), id) != seen.end()) return {};
    seen.push_back(id);
    Result<std::optional<Timeline>> found = timeline(id, query);
    if (!found) return found.error();
    if (*found && (static_cast<std::int64_t>(found->value().id.value) == id) &&
        is_meant(**found, query))
      timelines.push_back(std::move(**found));
    return {};
  };
  if (auto id = mail::QueueId::parse(query)) {
    Result<std::optional<Timeline>> found = timeline(static_cast<std::int64_t>(id->value), query);
    if (!found) return found.error();
    if (*found) {
      timelines.push_back(std::move(**found));
      if (Status s = find_parts(*id, limit, timelines); !s) return s.error();
      return timelines;
    }
  }
  std::int64_t segment = kLastSegment;
  while (timelines.size() < limit && seen.size() < kTraceFoundMax) {
    Result<std::optional<std::int64_t>> next = segment_before(segment);
    if (!next) return next.error();
    if (!*next) break;
    segment = **next;
    std::vector<std::int64_t> found;
    for (LookupKind kind : {LookupKind::address, LookupKind::message_id, LookupKind::remote_id})
      if (Status s = look_up(segment, kind, query, limit, found); !s) return s.error();
    std::sort(found.begin(), found.end(), std::greater<>());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    for (std::int64_t id : found) {
      if (timelines.size() >= limit) break;
      if (Status s = add(id); !s) return s.error();
    }
  }
  std::sort(timelines.begin(), timelines.end(),
            [](const Timeline& a, const Timeline& b) { return a.id > b.id; });
  return timelines;
}

// What was split off from the message, behind it.
Status HistoryStore::find_parts(mail::QueueId id, std::size_t limit,
                                std::vector<Timeline>& timelines) {
  std::string text = id.text();
  std::vector<std::int64_t> parts;
  for (std::int64_t segment = kLastSegment; parts.size() < limit;) {
    Result<std::optional<std::int64_t>> next = segment_before(segment);
    if (!next) return next.error();
    if (!*next) break;
    segment = **next;
    if (Status s = look_up(segment, LookupKind::part, text, limit, parts); !s) return s;
  }
  for (std::int64_t part : parts) {
    Result<std::optional<Timeline>> found = timeline(part, text);
    if (!found) return found.error();
    if (*found && (*found)->part_of == id) timelines.push_back(std::move(**found));
  }
  return {};
}

Result<std::optional<std::int64_t>> HistoryStore::segment_before(std::int64_t segment) {
  Use use(sql(Sql::segment_before));
  Use::Step step = use.number(segment).step();
  if (step == Use::Step::failed) return error(Sql::segment_before);
  if (step == Use::Step::done) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(use.number());
}

// Newest first.
Status HistoryStore::look_up(std::int64_t segment, LookupKind kind, const std::string& query,
                             std::size_t max, std::vector<std::int64_t>& found) {
  Use use(sql(Sql::look_up));
  use.number(segment).number(lookup_hash(kind, query)).number(static_cast<std::int64_t>(max));
  Use::Step step;
  while ((step = use.step()) == Use::Step::row) found.push_back(use.number());
  if (step == Use::Step::failed) return error(Sql::look_up);
  return {};
}

Result<std::optional<Timeline>> HistoryStore::timeline(std::int64_t id, std::string_view query) {
  Timeline timeline;
  timeline.id = mail::QueueId{static_cast<std::uint64_t>(id)};
  {
    Use use(sql(Sql::get_message));
    Use::Step step = use.number(id).step();
    if (step == Use::Step::failed) return error(Sql::get_message);
    if (step == Use::Step::done) return std::optional<Timeline>();
    timeline.known = use.flag();
    timeline.received_at = sane_time(use.number());
    timeline.sender = use.text();
    timeline.message_id = use.text();
    timeline.protocol = use.text();
    timeline.client_address = use.text();
    timeline.client_name = use.text();
    timeline.account = use.text();
    timeline.size = static_cast<std::uint64_t>(use.number());
    timeline.kind = static_cast<MessageKind>(use.number());
    timeline.require_tls = use.flag();
    timeline.tls_required_no = use.flag();
    timeline.part_of = mail::QueueId{static_cast<std::uint64_t>(use.number())};
    timeline.given_sender = use.text();
    add_recipients(timeline, decode_recipients(use.view()), query);
    timeline.uid = use.number();
    timeline.srs = use.flag();
  }
  if (Status s = read_recipients(timeline, query); !s) return s.error();
  if (Status s = read_events(timeline); !s) return s.error();
  if (Status s = read_judgements(timeline); !s) return s.error();
  return std::optional<Timeline>(std::move(timeline));
}

void HistoryStore::add_recipients(Timeline& timeline, const std::vector<ArrivalRecord::To>& all,
                                  std::string_view query) {
  std::uint32_t index = 0;
  for (const ArrivalRecord::To& to : all)
    add_recipient(
        timeline,
        {index++, std::string(to.address), std::string(to.destination), std::string(to.given), {}},
        query);
}

// Those that are not known by the arrival.
Status HistoryStore::read_recipients(Timeline& timeline, std::string_view query) {
  bool any = !timeline.recipients.empty();
  std::uint32_t next = any ? timeline.recipients.back().index + 1 : 0;
  Use use(sql(Sql::get_recipients));
  use.number(number_of(timeline.id));
  Use::Step step;
  while ((step = use.step()) == Use::Step::row) {
    TimelineRecipient r;
    r.index = static_cast<std::uint32_t>(use.number());
    r.address = use.text();
    r.destination = use.text();
    r.given = use.text();
    if (r.index >= next) add_recipient(timeline, std::move(r), query);
  }
  if (step == Use::Step::failed) return error(Sql::get_recipients);
  return {};
}

Status HistoryStore::read_judgements(Timeline& timeline) {
  Use use(sql(Sql::get_judgements));
  Use::Step step = use.number(number_of(timeline.id)).step();
  if (step == Use::Step::failed) return error(Sql::get_judgements);
  if (step == Use::Step::row) timeline.judgements = use.view();
  return {};
}

Status HistoryStore::read_events(Timeline& timeline) {
  Use use(sql(Sql::get_events));
  use.number(number_of(timeline.id));
  std::size_t count = 0;
  Use::Step step;
  while ((step = use.step()) == Use::Step::row) {
    std::vector<std::uint32_t> whom{static_cast<std::uint32_t>(use.number())};
    TimelineEvent event;
    event.at = sane_time(use.number());
    event.kind = static_cast<HistoryKind>(use.number());
    event.stage = static_cast<mail::Stage>(use.number());
    event.in_doubt = use.flag();
    event.began_at = sane_time(use.number());
    event.next_attempt_at = sane_time(use.number());
    event.other = mail::QueueId{static_cast<std::uint64_t>(use.number())};
    event.host = use.text();
    event.address = use.text();
    event.reply = use.text();
    event.tls = use.text();
    event.why = use.text();
    event.who = use.text();
    event.times = use.text();
    std::vector<std::uint32_t> also = numbers_in(use.view());
    whom.insert(whom.end(), also.begin(), also.end());
    event.signing = use.text();
    // One that only a later program knows is shown as the nearest one.
    const std::int64_t newer = use.number();
    if (newer > 0 && newer <= static_cast<int>(kLastHistoryKind))
      event.kind = static_cast<HistoryKind>(newer);
    for (std::uint32_t index : whom) {
      auto r = std::lower_bound(
          timeline.recipients.begin(), timeline.recipients.end(), index,
          [](const TimelineRecipient& one, std::uint32_t wanted) { return one.index < wanted; });
      if (r == timeline.recipients.end() || r->index != index) continue;
      if (++count > kTraceEvents) {
        timeline.cut = true;
        return {};
      }
      r->events.push_back(event);
    }
  }
  if (step == Use::Step::failed) return error(Sql::get_events);
  return {};
}

}  // namespace postwain::qmgr
