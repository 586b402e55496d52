// What a host puts off in a transaction is offered to the next one within the same attempt (RFC
// 5321 5.1: the hosts are tried "until a delivery attempt succeeds"): to each host once, to at most
// kHostsPerAttemptMax of them, and only those recipients that nobody has taken or may have.
// Fallback hosts are none of them: they are for next hops that cannot be reached. The connections
// for it carry nothing else, since all other mail belongs to the better host.
#include <algorithm>
#include <utility>

#include "common/agent/destination.h"
#include "common/log/log.h"

namespace postwain::agent {

// The hosts this attempt has not been offered to; failed: one it has been offered to just now.
std::vector<Candidate> Destination::untried(const Attempt& attempt, const Candidate* failed) const {
  std::vector<Candidate> out;
  if (hosts_ == nullptr) return out;
  for (const Candidate& one : *hosts_) {
    std::string key = host_key(one);
    bool tried = (failed != nullptr && host_key(*failed) == key) ||
                 std::find(attempt.tried.begin(), attempt.tried.end(), key) != attempt.tried.end();
    if (!one.is_fallback && !tried) out.push_back(one);
  }
  return out;
}

bool Destination::has_next_host(Connection& connection, const Attempt& attempt) {
  bool wanted = !closing_ && !attempt.dropped && !attempt.orphaned && !attempt.lease().probe;
  if (!wanted || attempt.tried.size() + 1 >= kHostsPerAttemptMax) return false;
  if (connection.plan().candidate.is_fallback) return false;
  return !untried(attempt, &connection.plan().candidate).empty();
}

void Destination::go_on(Connection& connection, Attempt& attempt) {
  const Candidate& here = connection.plan().candidate;
  // Things may have changed since the first of its recipients was put off.
  if (!has_next_host(connection, attempt))
    return settle_all(services_, attempt,
                      local_outcome(mail::Disposition::deferred, mail::Stage::local,
                                    mail::Blame::local, {4, 3, 2}, "no further host is asked"));
  attempt.tried.push_back(host_key(here));
  log::Line(log::Level::info, "next_host")
      .kv("id", attempt.lease().id.text())
      .kv("host", here.host)
      .kv("address", here.endpoint.text());
  moved_.push_back(&attempt);
  open_next_hosts();
}

void Destination::open_next_hosts() {
  auto running = [this] {
    return static_cast<std::size_t>(std::count_if(slots_.begin(), slots_.end(),
                                                  [](const Slot& slot) { return slot.next_host; }));
  };
  for (std::size_t i = 0; i < slots_.size() && !moved_.empty(); ++i)
    if (slots_[i].next_host && slots_[i].connection->idle()) slots_[i].connection->pump();
  while (!moved_.empty() && running() < kNextHostConnectionsMax) {
    Slot slot;
    slot.next_host = true;
    slot.reserved = moved_.front();
    moved_.pop_front();
    slot.hosts = std::make_shared<const std::vector<Candidate>>(untried(*slot.reserved, nullptr));
    if (services_.connections >= services_.connections_max && !services_.idle.empty())
      services_.idle.front()->quit();
    bool room = services_.connections < services_.connections_max && contexts() != nullptr;
    if (room && open_next(slot))
      slots_.push_back(std::move(slot));
    else
      drop_moved(*slot.reserved,
                 local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::local,
                               {4, 3, 2}, "no connection to the next host can be opened"));
  }
}

// The one it was opened for, then others whom this host has not put off yet.
Attempt* Destination::next_moved(Slot& slot) {
  if (slot.reserved != nullptr) return give(*std::exchange(slot.reserved, nullptr));
  std::string key = host_key(slot.connection->plan().candidate);
  auto found = std::find_if(moved_.begin(), moved_.end(), [&](const Attempt* attempt) {
    const std::vector<std::string>& tried = attempt->tried;
    return std::find(tried.begin(), tried.end(), key) == tried.end();
  });
  if (found == moved_.end()) return nullptr;
  Attempt* attempt = *found;
  moved_.erase(found);
  return give(*attempt);
}

void Destination::next_host_over(Slot slot, const Candidate& failed, bool was_ready, bool otherwise,
                                 const mail::Outcome& outcome) {
  if (slot.reserved != nullptr && !was_ready && next_candidate(slot, failed, otherwise, outcome) &&
      open_next(slot)) {
    slots_.push_back(std::move(slot));
    return;
  }
  if (slot.reserved != nullptr) drop_moved(*slot.reserved, outcome);
  open_next_hosts();
  dispatch();
}

// No further host takes it: what was said before holds.
void Destination::drop_moved(Attempt& attempt, const mail::Outcome& outcome) {
  attempt.account_waiting();
  settle_all(services_, attempt, outcome);
}

}  // namespace postwain::agent
