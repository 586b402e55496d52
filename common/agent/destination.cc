#include "common/agent/destination.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"

namespace postwain::agent {

using mail::Blame;
using mail::Disposition;
using mail::Stage;

void settle_all(Services& services, Attempt& attempt, const mail::Outcome& outcome) {
  for (std::size_t row = 0; row < attempt.lease().recipients.size(); ++row)
    if (!attempt.settled(row)) services.sink.settled(attempt, row, outcome);
  services.sink.finished(attempt);
}

Destination::Destination(Services& services, const ipc::Lease& lease)
    : services_(services),
      hop_(lease.hop),
      tls_(lease.tls),
      sources_(lease.sources),
      credential_(lease.credential),
      growth_timer_(services.loop),
      family_timer_(services.loop) {}

Destination::~Destination() {
  services_.loop.forget_turn_end(this);
}

std::string Destination::key_of(const ipc::Lease& lease) {
  return fmt::format("{}\n{}\n{}\n{}", lease.hop.key(), name_of(lease.tls),
                     fmt::join(lease.sources, ","), lease.credential);
}

bool Destination::serves(const ipc::Lease& lease) const {
  return hop_ == lease.hop && tls_ == lease.tls && sources_ == lease.sources &&
         credential_ == lease.credential;
}

void Destination::add(Attempt& attempt) {
  if (waiting_.empty()) waiting_since_ = services_.loop.now();
  waiting_.push_back(&attempt);
  dispatch();
}

std::deque<Attempt*> Destination::take_waiting() {
  return std::exchange(waiting_, {});
}

void Destination::close() {
  closing_ = true;
  while (Connection* connection = idle_connection()) connection->quit();
}

bool Destination::quiet() const {
  return waiting_.empty() && slots_.empty() && graveyard_.empty() && !finding_;
}

// Gives waiting attempts to idle connections, then opens connections if the rest justifies it.
void Destination::dispatch() {
  while (!waiting_.empty()) {
    Connection* connection = idle_connection();
    if (connection == nullptr) break;
    connection->pump();
  }
  if (waiting_.empty()) return;
  std::size_t more = connections_to_open(load());
  if (more > 0 && !hosts_known()) return;  // found() comes back here
  for (; more > 0 && !waiting_.empty(); --more) open_connection();
  if (!waiting_.empty() && !growth_timer_.active() && load().live >= kFreeConnections)
    growth_timer_.start(kGrowthDelay, [this] { dispatch(); });
}

Connection* Destination::idle_connection() {
  for (std::size_t i = slots_.size(); i-- > 0;)  // the one used last is the most alive
    if (slots_[i].connection->idle()) return slots_[i].connection.get();
  return nullptr;
}

Load Destination::load() const {
  Load out;
  MonoTime now = services_.loop.now();
  out.waiting = waiting_.size();
  for (const Slot& slot : slots_) ++(slot.connection->is_ready() ? out.live : out.opening);
  out.waited = now - waiting_since_ >= kGrowthDelay;
  if (now < no_growth_until_) out.limit = std::max<std::size_t>(1, slots_.size());
  return out;
}

// True when there are addresses to try; else they are being looked up.
bool Destination::hosts_known() {
  if (services_.loop.now() < hosts_until_) return true;
  if (finding_) return false;
  finding_ = true;
  services_.finder.find(hop_, tls_, [this](NextHosts hosts) { found(std::move(hosts)); });
  return false;
}

void Destination::found(NextHosts hosts) {
  finding_ = false;
  tls_broken_.clear();
  if (hosts.refusal) {
    // Connections that live prove that mail flows; only with none is the refusal the answer.
    if (slots_.empty()) return fail_waiting(*hosts.refusal);
    no_growth_until_ = services_.loop.now() + kRefusedGrowth;
    return;
  }
  PW_CHECK(!hosts.candidates.empty());
  hosts_ = std::move(hosts);
  hosts_until_ = services_.loop.now() + kHostsFresh;
  dispatch();
}

void Destination::open_connection() {
  Slot slot;
  if (services_.connections >= kConnectionsMax) {
    if (slots_.empty())
      fail_waiting(local_outcome(Disposition::deferred, Stage::local, Blame::local, {4, 3, 2},
                                 "too many connections are open"));
    return;
  }
  if (open_next(slot)) {
    if (has_other_family(slot.candidate)) family_timer_.start(kFamilyDelay, [this] { race(); });
    slots_.push_back(std::move(slot));
    return;
  }
  fail_waiting(local_outcome(Disposition::deferred, Stage::local, Blame::local, {4, 4, 0},
                             "no source address of the route fits an address of the next hop"));
}

// Opens a connection to the slot's candidate, or to the next one a source address fits.
bool Destination::open_next(Slot& slot) {
  Connection::Owner& owner = *this;
  for (; slot.candidate < hosts_.candidates.size(); ++slot.candidate) {
    const Candidate& candidate = hosts_.candidates[slot.candidate];
    bool possible = true;
    mail::TlsLevel level = candidate.tls.level;
    ConnectionPlan plan{candidate, source_for(candidate, possible), credential_, level};
    if (!possible) continue;
    bool broken = std::find(tls_broken_.begin(), tls_broken_.end(), candidate) != tls_broken_.end();
    slot.in_clear = slot.in_clear || (level == mail::TlsLevel::may && broken);
    if (slot.in_clear) plan.tls = mail::TlsLevel::off;
    ++slot.tried;
    slot.connection = std::make_unique<Connection>(services_, owner, std::move(plan));
    return true;
  }
  return false;
}

// The next address is the same host's, and an IPv4 one where this is IPv6 or the other way round.
// Other hosts have their turn when this one has failed (RFC 5321 5.1).
bool Destination::has_other_family(std::size_t candidate) const {
  if (candidate + 1 >= hosts_.candidates.size()) return false;
  const Candidate& one = hosts_.candidates[candidate];
  const Candidate& next = hosts_.candidates[candidate + 1];
  auto is_v6 = [](const Candidate& c) { return c.endpoint.host.find(':') != std::string::npos; };
  return one.host == next.host && is_v6(one) != is_v6(next);
}

// At this candidate or one before it.
bool Destination::is_opening(std::size_t candidate) const {
  return std::any_of(slots_.begin(), slots_.end(), [candidate](const Slot& slot) {
    return slot.candidate <= candidate && !slot.connection->is_ready();
  });
}

// Who is connected first takes what waits; the other is closed when nothing is left for it.
void Destination::race() {
  if (waiting_.empty() || load().live > 0) return;
  for (Slot& slot : slots_) {
    if (slot.raced || !slot.connection->connecting() || !has_other_family(slot.candidate)) continue;
    slot.raced = true;
    Slot other;
    other.candidate = slot.candidate + 1;
    other.tried = slot.tried;
    if (!is_opening(other.candidate) && open_next(other)) slots_.push_back(std::move(other));
    return;
  }
}

// The route's sources in turn, those of the candidate's family; a route with sources never sends
// from another address.
std::string Destination::source_for(const Candidate& candidate, bool& possible) {
  if (sources_.empty() || !candidate.endpoint.unix_path.empty()) return {};
  bool v6 = candidate.endpoint.host.find(':') != std::string::npos;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const std::string& source = sources_[next_source_++ % sources_.size()];
    if ((source.find(':') != std::string::npos) == v6) return source;
  }
  possible = false;
  return {};
}

std::size_t Destination::slot_of(const Connection& connection) const {
  std::size_t i = 0;
  while (i < slots_.size() && slots_[i].connection.get() != &connection) ++i;
  PW_CHECK(i < slots_.size());
  return i;
}

Destination::Slot Destination::take_slot(std::size_t index) {
  Slot slot = std::move(slots_[index]);
  slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(index));
  return slot;
}

void Destination::bury(std::unique_ptr<Connection> connection) {
  graveyard_.push_back(std::move(connection));
  services_.loop.at_turn_end(this, [this] { graveyard_.clear(); });
}

Attempt* Destination::next_attempt() {
  if (waiting_.empty()) return nullptr;
  Attempt* attempt = waiting_.front();
  waiting_.pop_front();
  waiting_since_ = services_.loop.now();
  attempt->mx_set = hosts_.mx_set;
  return attempt;
}

void Destination::ready(Connection&) {
  // The connection takes its first attempt itself, directly after this.
}

void Destination::returned(Connection& connection, Attempt& attempt, mail::Outcome outcome) {
  // A kept connection may end between two messages without meaning anything; a fresh one that
  // ends before it has served a message is trouble of the destination.
  bool again = connection.served() > 0 && !closing_ && !attempt.dropped;
  if (again && ++attempt.returns <= kReturnsMax)
    waiting_.push_front(&attempt);
  else
    settle_all(services_, attempt, outcome);
}

void Destination::ended(Connection& connection) {
  bury(std::move(take_slot(slot_of(connection)).connection));
  dispatch();
}

void Destination::over(Connection& connection, mail::Outcome outcome) {
  Slot slot = take_slot(slot_of(connection));
  bool was_ready = slot.connection->is_ready();
  Candidate candidate = slot.connection->plan().candidate;
  bury(std::move(slot.connection));
  if (was_ready || waiting_.empty()) return dispatch();
  if (candidate.tls.level == mail::TlsLevel::may && outcome.stage == Stage::tls && !slot.in_clear &&
      credential_.empty()) {
    tls_broken_.push_back(candidate);  // the same address again, in clear
  } else {
    slot.in_clear = false;
    ++slot.candidate;
  }
  if (is_opening(slot.candidate)) return;  // the race goes on without it
  if (slot.tried < kAddressesTriedMax && open_next(slot)) {
    slots_.push_back(std::move(slot));
    return;
  }
  hosts_until_ = {};  // the next try looks the addresses up afresh
  if (slots_.empty())
    fail_waiting(outcome);
  else
    no_growth_until_ = services_.loop.now() + kRefusedGrowth;
}

void Destination::fail_waiting(const mail::Outcome& outcome) {
  for (Attempt* attempt : take_waiting()) {
    attempt->mx_set = hosts_.mx_set;
    settle_all(services_, *attempt, outcome);
  }
}

}  // namespace postwain::agent
