#include "tests/memory_store/memory_messages.h"

#include <algorithm>

#include "qmgr/store/compact_record.h"

namespace postwain::qmgr::test {

namespace {

const StoreError kNoRoom{StoreError::Kind::full, "no room (test)"};
constexpr std::size_t kTextMax = 1024;  // octets, as in queue-schema/schema.sql
constexpr std::size_t kDestinationMax = 4096;

bool is_within(const std::string& text, std::size_t most) {
  return text.size() <= most;
}

bool is_refused(const NewMessage& message) {
  const mail::Envelope& envelope = message.info.envelope;
  bool fits = message.info.id.value > 0 && is_within(envelope.reverse_path.text(), kTextMax) &&
              is_within(envelope.envid, kTextMax) &&
              std::all_of(message.recipients.begin(), message.recipients.end(), [](const auto& r) {
                std::string address = r.recipient.address.text();
                return !address.empty() && is_within(address, kTextMax) &&
                       is_within(r.recipient.orcpt, kTextMax) && !r.destination.empty() &&
                       is_within(r.destination, kDestinationMax);
              });
  return !fits;
}

}  // namespace

// --- compact ----------------------------------------------------------------------------------

StoreResult<Flags> MemoryCompact::insert(std::span<const Insert> messages) {
  if (state_.no_room) return kNoRoom;
  Flags stored;
  for (const Insert& one : messages) {
    bool is_new = !state_.has_message(one.id);
    if (is_new) state_.compact[one.id] = {one.recipients, std::string(one.data), {}};
    stored.push_back(is_new);
  }
  return stored;
}

StoreResult<Flags> MemoryCompact::remove_whole(std::span<const Whole> messages) {
  Flags removed;
  for (const Whole& one : messages) {
    auto found = state_.compact.find(one.id);
    bool whole = found != state_.compact.end() && found->second.recipients == one.recipients &&
                 found->second.rest.find('0') == std::string::npos;
    if (whole) state_.compact.erase(found);
    removed.push_back(whole);
  }
  return removed;
}

StoreStatus MemoryCompact::remove(std::span<const mail::QueueId> ids) {
  for (mail::QueueId id : ids) state_.compact.erase(id);
  return {};
}

StoreStatus MemoryCompact::put_rests(std::span<const NewRest> rests) {
  for (const NewRest& one : rests) {
    auto found = state_.compact.find(one.id);
    if (found != state_.compact.end()) found->second.rest = one.rest;
  }
  return {};
}

StoreResult<std::vector<std::optional<CompactMessages::Rest>>> MemoryCompact::rests(
    std::span<const mail::QueueId> ids) {
  std::vector<std::optional<Rest>> out;
  for (mail::QueueId id : ids) {
    auto found = state_.compact.find(id);
    out.emplace_back();
    if (found != state_.compact.end())
      out.back() = Rest{found->second.recipients, found->second.rest};
  }
  return out;
}

StoreResult<std::vector<std::optional<CompactMessages::Value>>> MemoryCompact::values(
    std::span<const mail::QueueId> ids) {
  std::vector<std::optional<Value>> out;
  for (mail::QueueId id : ids) {
    auto found = state_.compact.find(id);
    out.emplace_back();
    if (found != state_.compact.end())
      out.back() = Value{id, found->second.data, found->second.rest};
  }
  return out;
}

StoreResult<CompactMessages::Page> MemoryCompact::page(mail::QueueId after, mail::QueueId last,
                                                       std::size_t limit) {
  Page page;
  std::size_t bytes = 0;
  auto at = state_.compact.upper_bound(after);
  for (; at != state_.compact.end() && at->first <= last; ++at) {
    if (page.values.size() == limit || bytes > kCompactPageBytes) return page;
    page.values.push_back({at->first, at->second.data, at->second.rest});
    bytes += at->second.data.size();
  }
  page.end = page.values.size() < limit;
  return page;
}

StoreResult<std::optional<mail::QueueId>> MemoryCompact::first(mail::QueueId after,
                                                               mail::QueueId last) {
  auto at = state_.compact.upper_bound(after);
  if (at == state_.compact.end() || at->first > last) return std::optional<mail::QueueId>();
  return std::optional<mail::QueueId>(at->first);
}

// --- rows -------------------------------------------------------------------------------------

StoreResult<Flags> MemoryRows::insert(std::span<const Insert> messages) {
  if (state_.no_room) return kNoRoom;
  Flags stored;
  for (const Insert& one : messages) {
    if (is_refused(*one.message))
      return StoreError{StoreError::Kind::refused, "a value of the message is refused"};
    bool is_new = !state_.has_message(one.message->info.id);
    if (is_new) insert_one(one);
    stored.push_back(is_new);
  }
  return stored;
}

void MemoryRows::insert_one(const Insert& one) {
  const NewMessage& message = *one.message;
  mail::QueueId id = message.info.id;
  state_.messages[id] = message.info;
  if (message.info.has_stored_content()) state_.contents[id] = std::string(one.content);
  bool held = !message.held_for.empty();
  for (std::uint32_t i = 0; i < message.recipients.size(); ++i) {
    if (!is_left(one.rest, i)) continue;
    StoredRecipient& r = state_.recipients[{id, i}];
    r.index = i;
    r.recipient = message.recipients[i].recipient;
    r.destination = message.recipients[i].destination;
    r.next_attempt_at = one.due;
    if (!held) continue;
    r.state = RecipientState::held;
    r.last.at = message.info.arrival.received_at;
    r.last.reply = {0, {4, 7, 1}, message.held_for};
  }
}

StoreResult<Flags> MemoryRows::remove_whole(std::span<const Whole> messages) {
  Flags removed;
  for (const Whole& one : messages) {
    auto first = state_.recipients.lower_bound({one.id, 0});
    auto end = state_.recipients.upper_bound({one.id, UINT32_MAX});
    auto count = static_cast<std::size_t>(std::distance(first, end));
    bool whole = state_.messages.count(one.id) > 0 && count > 0 && count == one.recipients &&
                 first->first.second == one.first && std::prev(end)->first.second == one.last;
    if (whole) state_.remove_message(one.id);
    removed.push_back(whole);
  }
  return removed;
}

StoreResult<Flags> MemoryRows::change(std::span<const Change> changes) {
  Flags found;
  for (const Change& one : changes) {
    const RecipientChange& change = *one.change;
    if (state_.no_room && change.kind != ChangeKind::remove) return kNoRoom;
    if (++state_.logged > state_.log_room) return kNoRoom;
    auto at = state_.recipients.find({one.id, change.index});
    found.push_back(at != state_.recipients.end());
    if (!found.back()) continue;
    StoredRecipient& r = at->second;
    switch (change.kind) {
      case ChangeKind::remove:
        state_.recipients.erase(at);
        break;
      case ChangeKind::hold:
        r.state = RecipientState::held;
        break;
      case ChangeKind::release:
        r.state = RecipientState::waiting;
        r.next_attempt_at = change.next_attempt_at;
        r.crashes = 0;
        break;
      case ChangeKind::defer:
      case ChangeKind::quarantine:
        r.state =
            change.kind == ChangeKind::quarantine ? RecipientState::held : RecipientState::waiting;
        r.destination = change.destination;
        r.attempts = change.attempts;
        r.next_attempt_at = change.next_attempt_at;
        r.in_doubt = change.in_doubt;
        r.delay_warned = change.delay_warned;
        r.last = change.last;
        r.crashes = change.crashes;
        break;
    }
  }
  return found;
}

StoreResult<std::vector<MessageRows::Removed>> MemoryRows::remove_empty(
    std::span<const mail::QueueId> ids) {
  std::vector<Removed> out;
  for (mail::QueueId id : ids) {
    Removed& one = out.emplace_back();
    auto message = state_.messages.find(id);
    auto first = state_.recipients.lower_bound({id, 0});
    bool empty = first == state_.recipients.end() || first->first.first != id;
    if (message == state_.messages.end() || !empty) continue;
    one = {true, message->second.in_file};
    state_.remove_message(id);
  }
  return out;
}

StoreResult<std::vector<std::optional<MessageInfo>>> MemoryRows::infos(
    std::span<const mail::QueueId> ids) {
  std::vector<std::optional<MessageInfo>> out;
  for (mail::QueueId id : ids) {
    auto found = state_.messages.find(id);
    out.emplace_back();
    if (found != state_.messages.end()) out.back() = found->second;
  }
  return out;
}

StoreResult<std::vector<StoredRecipient>> MemoryRows::recipients(mail::QueueId id,
                                                                 std::uint32_t from,
                                                                 std::size_t limit) {
  std::vector<StoredRecipient> out;
  for (auto at = state_.recipients.lower_bound({id, from});
       at != state_.recipients.end() && at->first.first == id && out.size() < limit; ++at)
    out.push_back(at->second);
  return out;
}

StoreResult<std::optional<std::string>> MemoryRows::content(mail::QueueId id, std::uint64_t offset,
                                                            std::size_t length) {
  auto found = state_.contents.find(id);
  if (found == state_.contents.end()) return std::optional<std::string>();
  std::size_t from = std::min<std::uint64_t>(offset, found->second.size());
  return std::optional<std::string>(found->second.substr(from, length));
}

StoreResult<std::vector<MessageInfo>> MemoryRows::page(mail::QueueId after, mail::QueueId last,
                                                       std::size_t limit) {
  std::vector<MessageInfo> out;
  for (auto at = state_.messages.upper_bound(after);
       at != state_.messages.end() && at->first <= last && out.size() < limit; ++at)
    out.push_back(at->second);
  return out;
}

}  // namespace postwain::qmgr::test
