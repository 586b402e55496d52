#include "qmgr/history/timeline.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postwain::qmgr {

namespace {

// In any spelling of the domain.
bool same_address(std::string_view a, std::string_view b) {
  if (is_ascii(a) && is_ascii(b)) return iequals(a, b);
  return mail::address_key(a) == mail::address_key(b);
}

bool has_remote_id(const Timeline& timeline, std::string_view id) {
  for (const TimelineRecipient& r : timeline.recipients)
    for (const TimelineEvent& event : r.events)
      if (event.kind == HistoryKind::delivered && remote_queue_id(event.reply) == id) return true;
  return false;
}

// Two that differ in their node alone are one, heard of by two ways.
template <class Told>
bool is_same_told(const Told& a, const Told& b) {
  if (a.at != b.at) return false;
  Told copy = a;
  copy.node = b.node;
  return copy == b;
}

template <class Told>
bool is_told(const std::vector<Told>& all, const Told& one) {
  return std::any_of(all.begin(), all.end(),
                     [&](const Told& other) { return is_same_told(other, one); });
}

void add_events(TimelineRecipient& own, TimelineRecipient&& other, bool& cut) {
  for (TimelineEvent& event : other.events) {
    if (is_told(own.events, event)) continue;
    if (own.events.size() >= kTraceEvents) {
      cut = true;
      break;
    }
    own.events.push_back(std::move(event));
  }
  std::stable_sort(own.events.begin(), own.events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) { return a.at < b.at; });
}

}  // namespace

std::string_view without_brackets(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '<' && text.back() == '>')
    return text.substr(1, text.size() - 2);
  return text;
}

bool is_meant(Timeline& timeline, std::string_view query) {
  query = without_brackets(query);
  if (timeline.id.text() == query || timeline.part_of.text() == query ||
      same_address(timeline.sender, query))
    return true;
  if (!timeline.given_sender.empty() && same_address(timeline.given_sender, query)) return true;
  if (!timeline.message_id.empty() && without_brackets(timeline.message_id) == query) return true;
  auto is_other = [&](const TimelineRecipient& r) {
    return !same_address(r.address, query) && !same_address(r.given, query);
  };
  auto& recipients = timeline.recipients;
  if (!std::all_of(recipients.begin(), recipients.end(), is_other)) {
    std::erase_if(recipients, is_other);
    timeline.cut = false;
    return true;
  }
  return has_remote_id(timeline, query);
}

bool is_meant(const RefusedAttempt& refused, std::string_view key, std::string_view client) {
  if (!client.empty() && refused.client_address != client) return false;
  return key.empty() || mail::address_key(refused.sender) == key ||
         mail::address_key(refused.recipient) == key;
}

void add_recipient(Timeline& timeline, TimelineRecipient r, std::string_view query) {
  query = without_brackets(query);
  bool wanted = iequals(r.address, query) || iequals(r.given, query);
  if (timeline.recipients.size() >= kTraceRecipients && !wanted)
    timeline.cut = true;
  else
    timeline.recipients.push_back(std::move(r));
}

void add_to(Timeline& own, Timeline&& other) {
  if (!own.known && other.known) std::swap(own, other);
  auto is_before = [](const TimelineRecipient& r, std::uint32_t index) { return r.index < index; };
  for (TimelineRecipient& r : other.recipients) {
    auto& all = own.recipients;
    auto at = std::lower_bound(all.begin(), all.end(), r.index, is_before);
    if (at != all.end() && at->index == r.index)
      add_events(*at, std::move(r), own.cut);
    else
      all.insert(at, std::move(r));
  }
  if (own.judgements.empty()) own.judgements = std::move(other.judgements);
  own.cut = own.cut || other.cut;
}

void add_to(std::vector<Timeline>& own, std::vector<Timeline>&& others, std::size_t limit) {
  for (Timeline& other : others) {
    auto same = std::find_if(own.begin(), own.end(),
                             [&](const Timeline& one) { return one.id == other.id; });
    if (same != own.end())
      add_to(*same, std::move(other));
    else
      own.push_back(std::move(other));
  }
  std::stable_sort(own.begin(), own.end(),
                   [](const Timeline& a, const Timeline& b) { return a.id > b.id; });
  if (own.size() > limit) own.resize(limit);
}

void add_to(std::vector<RefusedAttempt>& own, std::vector<RefusedAttempt>&& others,
            std::size_t limit) {
  for (RefusedAttempt& other : others)
    if (!is_told(own, other)) own.push_back(std::move(other));
  std::stable_sort(own.begin(), own.end(),
                   [](const RefusedAttempt& a, const RefusedAttempt& b) { return a.at > b.at; });
  if (own.size() > limit) own.resize(limit);
}

}  // namespace postwain::qmgr
