#include "common/agent/destination.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/log/log.h"

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
      approach_(lease),
      flight_max_(lease.one_by_one ? 1 : smtp::ClientEngine::kFlightMax),
      random_(std::random_device{}()),
      growth_timer_(services.loop),
      family_timer_(services.loop) {}

Destination::~Destination() {
  services_.loop.forget_turn_end(this);
}

bool Destination::serves(const ipc::Lease& lease) const {
  return approach_ == static_cast<const mail::Approach&>(lease);
}

void Destination::add(Attempt& attempt) {
  if (waiting_.empty()) waiting_since_ = services_.loop.now();
  if (attempt.lease().sts) known_sts_ = attempt.lease().sts;
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
    growth_timer_.start(growth_delay(), [this] { dispatch(); });
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
  out.waited = now - waiting_since_ >= growth_delay();
  if (now < no_growth_until_) out.limit = std::max<std::size_t>(1, slots_.size());
  return out;
}

// How much one connection carries to somebody far away shows only after round trips, where it can
// carry several messages at once.
Duration Destination::growth_delay() const {
  Duration delay = kGrowthDelay;
  for (const Slot& slot : slots_)
    if (slot.connection->carries_flights())
      delay = std::max(delay, 2 * slot.connection->round_trip());
  return delay;
}

// True when there are addresses to try; else they are being looked up.
bool Destination::hosts_known() {
  if (services_.loop.now() < hosts_until_) return true;
  if (finding_) return false;
  finding_ = true;
  services_.finder.find(approach_, known_sts_ ? &*known_sts_ : nullptr,
                        [this](NextHosts hosts) { found(std::move(hosts)); });
  return false;
}

void Destination::found(NextHosts hosts) {
  finding_ = false;
  tls_broken_.clear();
  mx_set_ = std::move(hosts.mx_set);
  if (hosts.sts) fresh_sts_ = std::move(hosts.sts);
  if (hosts.refusal) {
    // Connections that live prove that mail flows; only with none is the refusal the answer.
    if (slots_.empty()) return fail_waiting(*hosts.refusal);
    no_growth_until_ = services_.loop.now() + kRefusedGrowth;
    return;
  }
  PW_CHECK(!hosts.candidates.empty());
  hosts_ = std::make_shared<const std::vector<Candidate>>(std::move(hosts.candidates));
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
  if (contexts() == nullptr)
    return fail_waiting(local_outcome(Disposition::deferred, Stage::local, Blame::local, {4, 3, 5},
                                      "the TLS settings of the route cannot be used"));
  slot.hosts = order();
  if (open_next(slot)) {
    if (has_other_family(slot)) family_timer_.start(kFamilyDelay, [this] { race(); });
    slots_.push_back(std::move(slot));
    return;
  }
  fail_waiting(local_outcome(Disposition::deferred, Stage::local, Blame::local, {4, 4, 0},
                             "no source address of the route fits an address of the next hop"));
}

// Those with weights by lot, each with the chance of its share of what is left (as RFC 2782 does);
// whatever has none stays where it is.
Destination::Candidates Destination::order() {
  bool weighted =
      std::any_of(hosts_->begin(), hosts_->end(), [](const Candidate& c) { return c.weight > 0; });
  if (!weighted) return hosts_;
  std::vector<Candidate> rest;
  std::vector<Candidate> out;
  std::vector<Candidate> behind;
  for (const Candidate& c : *hosts_) (c.weight > 0 ? rest : behind).push_back(c);
  while (!rest.empty()) {
    std::vector<double> weights;
    for (const Candidate& c : rest) weights.push_back(c.weight);
    std::discrete_distribution<std::size_t> lot(weights.begin(), weights.end());
    // All addresses of the host that was drawn.
    const Candidate drawn = rest[lot(random_)];
    auto same = [&](const Candidate& c) {
      return c.host == drawn.host && c.endpoint.port == drawn.endpoint.port;
    };
    std::copy_if(rest.begin(), rest.end(), std::back_inserter(out), same);
    std::erase_if(rest, same);
  }
  out.insert(out.end(), behind.begin(), behind.end());
  return std::make_shared<const std::vector<Candidate>>(std::move(out));
}

// Null: they cannot be made, which has been logged.
const ClientTls* Destination::contexts() {
  if (approach_.certificate.chain.empty())
    return services_.tls.unverified != nullptr ? &services_.tls : nullptr;
  if (own_tls_) return &*own_tls_;
  auto made = ClientTls::make(approach_.certificate);
  if (!made) {
    log::Line(log::Level::error, "tls_context")
        .kv("destination", approach_.hop.key())
        .kv("error", made.error().text);
    return nullptr;
  }
  return &own_tls_.emplace(made.take());
}

// Opens a connection to the slot's candidate, or to the next one a source address fits.
bool Destination::open_next(Slot& slot) {
  Connection::Owner& owner = *this;
  for (; slot.candidate < slot.hosts->size(); ++slot.candidate) {
    const Candidate& candidate = (*slot.hosts)[slot.candidate];
    bool possible = true;
    mail::TlsLevel level = candidate.tls.level;
    ConnectionPlan plan{
        candidate,  source_for(candidate, possible), level, &approach_, contexts(), token_refused_,
        flight_max_};
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
bool Destination::has_other_family(const Slot& slot) {
  if (slot.candidate + 1 >= slot.hosts->size()) return false;
  const Candidate& one = (*slot.hosts)[slot.candidate];
  const Candidate& next = (*slot.hosts)[slot.candidate + 1];
  auto is_v6 = [](const Candidate& c) { return c.endpoint.host.find(':') != std::string::npos; };
  return one.host == next.host && is_v6(one) != is_v6(next);
}

// Somebody is, at this candidate or at one before it.
bool Destination::is_opening(const Slot& slot) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const Slot& other) {
    return other.hosts == slot.hosts && other.candidate <= slot.candidate &&
           !other.connection->is_ready();
  });
}

// Who is connected first takes what waits; the other is closed when nothing is left for it.
void Destination::race() {
  if (waiting_.empty() || load().live > 0) return;
  for (Slot& slot : slots_) {
    if (slot.raced || !slot.connection->connecting() || !has_other_family(slot)) continue;
    slot.raced = true;
    Slot other;
    other.hosts = slot.hosts;
    other.candidate = slot.candidate + 1;
    other.tried = slot.tried;
    bool taken = std::any_of(slots_.begin(), slots_.end(), [&](const Slot& one) {
      return one.hosts == other.hosts && one.candidate == other.candidate;
    });
    if (!taken && open_next(other)) slots_.push_back(std::move(other));
    return;
  }
}

// The route's sources in turn, those of the candidate's family; a route with sources never sends
// from another address.
std::string Destination::source_for(const Candidate& candidate, bool& possible) {
  if (approach_.sources.empty() || !candidate.endpoint.unix_path.empty()) return {};
  bool v6 = candidate.endpoint.host.find(':') != std::string::npos;
  for (std::size_t i = 0; i < approach_.sources.size(); ++i) {
    const std::string& source = approach_.sources[next_source_++ % approach_.sources.size()];
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
  attempt->mx_set = mx_set_;
  if (fresh_sts_) attempt->sts = std::exchange(fresh_sts_, std::nullopt);
  return attempt;
}

void Destination::ready(Connection&) {
  token_refused_ = false;
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
  // It broke with several messages on their way: here it is one doubt at a time from now on.
  if (slot.connection->left_doubt()) flight_max_ = 1;
  bury(std::move(slot.connection));
  if (outcome.stage == Stage::auth) token_refused_ = true;
  if (was_ready || waiting_.empty()) return dispatch();
  if (!next_candidate(slot, candidate, outcome)) return;
  if (open_next(slot)) {
    slots_.push_back(std::move(slot));
    return;
  }
  hosts_until_ = {};  // the next try looks the addresses up afresh
  bool for_good = outcome.disposition == Disposition::failed;
  if (slots_.empty())
    fail_waiting(for_good && slot.soft ? *slot.soft : outcome);
  else
    no_growth_until_ = services_.loop.now() + kRefusedGrowth;
}

// Moves the slot on to what is tried next; behind the last there is nothing. False: somebody else
// is trying already.
bool Destination::next_candidate(Slot& slot, const Candidate& failed,
                                 const mail::Outcome& outcome) {
  if (outcome.disposition == Disposition::deferred && !slot.soft) slot.soft = outcome;
  const std::vector<Candidate>& hosts = *slot.hosts;
  if (failed.tls.level == mail::TlsLevel::may && outcome.stage == Stage::tls && !slot.in_clear &&
      (!approach_.credential.present() || failed.is_fallback)) {
    tls_broken_.push_back(failed);  // the same address again, in clear
    return !is_opening(slot);
  }
  slot.in_clear = false;
  ++slot.candidate;
  // A server that lacks REQUIRETLS says nothing of the others (RFC 8689 4.2.1).
  bool all =
      approach_.require_tls || (slot.candidate < hosts.size() && hosts[slot.candidate].is_fallback);
  if (!all && slot.tried >= kAddressesTriedMax) {
    while (slot.candidate < hosts.size() && !hosts[slot.candidate].is_fallback) ++slot.candidate;
  }
  if (slot.candidate < hosts.size() && hosts[slot.candidate].is_fallback && !failed.is_fallback)
    slot.tried = 0;
  if (failed.is_fallback && slot.tried >= kAddressesTriedMax) slot.candidate = hosts.size();
  return slot.candidate >= hosts.size() || !is_opening(slot);
}

void Destination::fail_waiting(const mail::Outcome& outcome) {
  mail::Outcome told = outcome;
  // What only the sender's demand fails on is no trouble of the destination.
  if (approach_.require_tls && told.stage == Stage::tls) told.blame = Blame::message;
  for (Attempt* attempt : take_waiting()) {
    attempt->mx_set = mx_set_;
    if (fresh_sts_) attempt->sts = std::exchange(fresh_sts_, std::nullopt);
    settle_all(services_, *attempt, told);
  }
}

}  // namespace postwain::agent
