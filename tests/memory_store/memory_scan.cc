// Scans of the store in memory, and what waits in it by destination.
#include <algorithm>
#include <set>
#include <tuple>

#include "tests/memory_store/memory_messages.h"

namespace postwain::qmgr::test {

StoreResult<bool> MemoryScan::recipients(const SurveyCursor& after, mail::QueueId last,
                                         std::size_t limit, const OnRecipient& on_row) {
  std::size_t rows = 0;
  for (const auto& [key, r] : state_.recipients) {
    bool is_behind =
        key.first > after.id || (key.first == after.id && std::int64_t{key.second} > after.index);
    if (!is_behind || key.first > last) continue;
    if (rows++ == limit) return false;
    std::string address = r.recipient.address.text();
    if (!on_row({key.first, key.second, address, r.state, r.attempts})) return false;
  }
  return rows < limit;
}

StoreResult<bool> MemoryScan::senders(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                      const OnSender& on_row) {
  std::size_t rows = 0;
  for (auto at = state_.messages.upper_bound(after);
       at != state_.messages.end() && at->first <= last; ++at) {
    if (rows++ == limit) return false;
    std::string sender = at->second.envelope.reverse_path.text();
    if (!on_row({at->first, sender})) return false;
  }
  return rows < limit;
}

StoreResult<mail::QueueId> MemoryScan::count(mail::QueueId after, mail::QueueId last,
                                             std::size_t limit, Counts& counts) {
  std::size_t messages = 0;
  mail::QueueId end = last;
  for (auto at = state_.messages.upper_bound(after);
       at != state_.messages.end() && at->first <= last; ++at) {
    if (++messages < limit) continue;
    end = at->first;
    break;
  }
  counts.messages += static_cast<std::int64_t>(messages);
  for (const auto& [key, r] : state_.recipients)
    if (key.first > after && key.first <= end)
      counts.add(r.destination, state_.messages[key.first].traffic_class,
                 queue_state(r.state, r.attempts));
  return end;
}

StoreResult<mail::QueueId> MemoryScan::first_id() {
  mail::QueueId first;
  if (!state_.messages.empty()) first = state_.messages.begin()->first;
  if (state_.compact.empty()) return first;
  mail::QueueId compact = state_.compact.begin()->first;
  return first.value == 0 ? compact : std::min(first, compact);
}

StoreResult<mail::QueueId> MemoryScan::last_id() {
  mail::QueueId last;
  if (!state_.messages.empty()) last = state_.messages.rbegin()->first;
  if (!state_.compact.empty()) last = std::max(last, state_.compact.rbegin()->first);
  return last;
}

StoreResult<std::size_t> MemoryScan::in_doubt(std::size_t most) {
  std::size_t count = 0;
  for (const auto& [key, r] : state_.recipients) count += r.in_doubt ? 1 : 0;
  return std::min(count, most);
}

// --- waiting ----------------------------------------------------------------------------------

StoreResult<DuePage> MemoryWaiting::due(const std::string& destination, WallTime now,
                                        std::uint32_t limit, const StoreCursor& after) {
  using Place = std::tuple<WallTime, mail::QueueId, std::uint32_t>;
  std::map<Place, const StoredRecipient*> waiting;
  for (const auto& [key, r] : state_.recipients)
    if (r.state == RecipientState::waiting && r.destination == destination)
      waiting[{r.next_attempt_at, key.first, key.second}] = &r;
  DuePage page;
  std::set<mail::QueueId> ids;
  for (const auto& [place, r] : waiting) {
    if (std::get<0>(place) > now) {
      if (page.rows.size() < limit) page.next_due = std::get<0>(place);
      break;
    }
    if (place <= Place{after.due, after.id, after.index} || page.rows.size() == limit) continue;
    page.rows.push_back({std::get<1>(place), *r});
    ids.insert(std::get<1>(place));
  }
  if (page.rows.size() >= limit && limit > 0)
    page.next_due = page.rows.back().recipient.next_attempt_at;
  for (mail::QueueId id : ids) page.messages.push_back(state_.messages[id]);
  return page;
}

StoreResult<std::vector<DueDestination>> MemoryWaiting::destinations(const std::string& after,
                                                                     std::size_t limit) {
  std::map<std::string, WallTime> first;
  for (const auto& [key, r] : state_.recipients) {
    if (r.state != RecipientState::waiting || r.destination <= after) continue;
    auto [at, is_new] = first.try_emplace(r.destination, r.next_attempt_at);
    if (!is_new) at->second = std::min(at->second, r.next_attempt_at);
  }
  std::vector<DueDestination> out;
  for (const auto& [destination, due] : first)
    if (out.size() < limit) out.push_back({destination, due});
  return out;
}

StoreStatus MemoryWaiting::write(std::span<const WaitingFact> facts) {
  for (const WaitingFact& fact : facts)
    std::visit([this](const auto& one) { write_one(one); }, fact);
  return {};
}

void MemoryWaiting::write_one(const BringForward& fact) {
  std::multimap<WallTime, StoredRecipient*> later;
  for (auto& [key, r] : state_.recipients)
    if (r.state == RecipientState::waiting && r.destination == fact.destination &&
        r.next_attempt_at > fact.now && r.last.at != WallTime{} &&
        r.last.stage <= mail::Stage::hello)
      later.emplace(r.next_attempt_at, &r);
  std::size_t done = 0;
  for (auto& [due, r] : later)
    if (done++ < fact.limit) r->next_attempt_at = fact.now;
}

void MemoryWaiting::write_one(const MoveRecipients& fact) {
  for (const MovedRecipient& one : fact.recipients) {
    auto found = state_.recipients.find({one.id, one.index});
    if (found != state_.recipients.end() && found->second.state == RecipientState::waiting)
      found->second.destination = one.destination;
  }
}

StoreResult<std::int64_t> MemoryWaiting::set_back(const std::string& destination, WallTime now,
                                                  Duration by, WallTime latest) {
  std::int64_t changed = 0;
  for (auto& [key, r] : state_.recipients) {
    if (r.state != RecipientState::waiting || r.destination != destination ||
        r.next_attempt_at <= now)
      continue;
    r.next_attempt_at = std::max(now, std::min(latest, r.next_attempt_at - by));
    ++changed;
  }
  return changed;
}

}  // namespace postwain::qmgr::test
