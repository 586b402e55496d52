#include "common/agent/destination.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"

namespace postwain::agent {

using mail::Blame;
using mail::Disposition;
using mail::Stage;

namespace {

std::size_t flight_max_of(const mail::Transport& transport) {
  std::size_t most = transport.one_by_one ? 1 : smtp::ClientEngine::kFlightMax;
  if (transport.bounds.in_flight > 0)
    most = std::min<std::size_t>(most, transport.bounds.in_flight);
  return most;
}

}  // namespace

void settle_all(Services& services, Attempt& attempt, const mail::Outcome& outcome) {
  for (std::size_t row = 0; row < attempt.lease().recipients.size(); ++row)
    if (!attempt.settled(row)) services.sink.settled(attempt, row, attempt.weighed(row, outcome));
  services.sink.finished(attempt);
}

Destination::Destination(Services& services, const ipc::Lease& lease, std::uint64_t number)
    : services_(services),
      number_(number),
      transport_(lease),
      flight_max_(flight_max_of(lease)),
      random_(std::random_device{}()),
      next_source_(random_()),
      growth_timer_(services.loop),
      family_timer_(services.loop) {}

Destination::~Destination() {
  services_.loop.forget_turn_end(this);
}

bool Destination::serves(const ipc::Lease& lease) const {
  return transport_ == static_cast<const mail::Transport&>(lease);
}

void Destination::add(Attempt& attempt) {
  if (waiting_.empty()) waiting_since_ = services_.loop.now();
  if (attempt.lease().sts) known_sts_ = attempt.lease().sts;
  waiting_.push_back(&attempt);
  dispatch();
}

std::deque<Attempt*> Destination::take_waiting() {
  std::deque<Attempt*> out = std::exchange(waiting_, {});
  for (Attempt* attempt : std::exchange(moved_, {})) out.push_back(attempt);
  for (Slot& slot : slots_)
    if (slot.reserved != nullptr) out.push_back(std::exchange(slot.reserved, nullptr));
  at_turn_end();
  return out;
}

void Destination::close() {
  closing_ = true;
  at_turn_end();
  auto idle = [](const Slot& slot) { return slot.connection->idle(); };
  for (;;) {
    auto slot = std::find_if(slots_.begin(), slots_.end(), idle);
    if (slot == slots_.end()) return;
    slot->connection->quit();
  }
}

bool Destination::quiet() const {
  return waiting_.empty() && moved_.empty() && slots_.empty() && ended_.empty() && !finding_;
}

// Gives waiting attempts to idle connections, then opens connections if the rest justifies it.
void Destination::dispatch() {
  while (!waiting_.empty()) {
    Connection* connection = idle_connection();
    if (connection == nullptr) break;
    if (!has_attempt_for(*connection)) break;
    connection->pump();
  }
  if (waiting_.empty()) return;
  std::size_t more = connections_to_open(load());
  // What has been given back wants a new connection: an idle one makes room; ended() comes back.
  Connection* spare = idle_connection();
  if (more == 0 && spare != nullptr && !has_attempt_for(*spare)) return spare->quit();
  if (more > 0 && !hosts_known()) return;  // found() comes back here
  for (; more > 0 && !waiting_.empty(); --more) open_connection();
  if (!waiting_.empty() && !growth_timer_.active() && load().live >= kFreeConnections)
    growth_timer_.start(growth_delay(), [this] { dispatch(); });
}

Connection* Destination::idle_connection() {
  for (std::size_t i = slots_.size(); i-- > 0;)  // the one used last is the most alive
    if (!slots_[i].next_host && slots_[i].connection->idle()) return slots_[i].connection.get();
  return nullptr;
}

Load Destination::load() const {
  Load out;
  MonoTime now = services_.loop.now();
  out.waiting = waiting_.size();
  out.limit = connections_max();
  for (const Slot& slot : slots_)
    if (!slot.next_host) ++(slot.connection->is_ready() ? out.live : out.opening);
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
  finding_since_ = Attempt::Clock::now();
  services_.finder.find(transport_, known_sts_ ? &*known_sts_ : nullptr,
                        [this](NextHosts hosts) { found(std::move(hosts)); });
  return false;
}

void Destination::found(NextHosts hosts) {
  finding_ = false;
  lookup_ = {};
  lookup_.add(Stage::dns, std::chrono::duration_cast<std::chrono::microseconds>(
                              Attempt::Clock::now() - finding_since_));
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
  // Somebody else's connection that nobody uses makes room.
  bool full = services_.connections >= services_.connections_max;
  if (full && !services_.idle.empty()) {
    services_.idle.front()->quit();
  } else if (full) {
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

void Destination::destroy_later(std::unique_ptr<Connection> connection) {
  ended_.push_back(std::move(connection));
  at_turn_end();
}

void Destination::at_turn_end() {
  services_.loop.at_turn_end(this, [this] { end_turn(); });
}

void Destination::end_turn() {
  withdraw_unneeded();
  ended_.clear();
}

// A server that takes one message a connection ends it at the second MAIL, time and again: what it
// gave back goes first over a new one.
bool Destination::may_take(const Attempt& attempt, const Connection& connection) const {
  return attempt.returns == 0 || connection.fresh();
}

bool Destination::has_attempt_for(const Connection& connection) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const Attempt* attempt) { return may_take(*attempt, connection); });
}

Attempt* Destination::next_attempt(Connection& connection) {
  Slot& slot = slots_[slot_of(connection)];
  if (slot.next_host) return next_moved(slot);
  auto found = std::find_if(waiting_.begin(), waiting_.end(),
                            [&](const Attempt* attempt) { return may_take(*attempt, connection); });
  if (found == waiting_.end()) return nullptr;
  Attempt* attempt = *found;
  waiting_.erase(found);
  waiting_since_ = services_.loop.now();
  if (waiting_.empty() && transport_.bounds.counted()) at_turn_end();
  return give(*attempt);
}

Attempt* Destination::give(Attempt& attempt) {
  attempt.mx_set = mx_set_;
  attempt.times.add(std::exchange(lookup_, {}));
  add_policy(attempt);
  return &attempt;
}

// Nobody keeps what comes with a probe.
void Destination::add_policy(Attempt& attempt) {
  if (fresh_sts_ && !attempt.lease().probe) attempt.sts = std::exchange(fresh_sts_, std::nullopt);
}

void Destination::ready(Connection& connection) {
  token_refused_ = false;
  services_.memory.answered(connection.plan().candidate.endpoint.text());
  // The connection takes its first attempt itself, directly after this.
}

void Destination::returned(Connection& connection, Attempt& attempt, mail::Outcome outcome) {
  // A kept connection may end between two messages without meaning anything; a fresh one that
  // ends before it has served a message is trouble of the destination.
  bool wanted = !closing_ && !attempt.dropped;
  bool otherwise = wanted && connection.asks_otherwise() && ++attempt.otherwise <= mail::kAbilities;
  if (otherwise || (wanted && connection.served() > 0 && ++attempt.returns <= kReturnsMax)) {
    waiting_.push_front(&attempt);
  } else if (wanted && may_go_on(outcome) && has_next_host(connection, attempt)) {
    for (std::size_t row = 0; row < attempt.lease().recipients.size(); ++row)
      if (!attempt.settled(row)) attempt.hold(row, outcome);
    go_on(connection, attempt);
  } else {
    settle_all(services_, attempt, outcome);
  }
}

void Destination::ended(Connection& connection) {
  destroy_later(std::move(take_slot(slot_of(connection)).connection));
  if (!moved_.empty()) open_next_hosts();
  dispatch();
}

void Destination::over(Connection& connection, mail::Outcome outcome) {
  Slot slot = take_slot(slot_of(connection));
  if (connection.waits_for_leave()) return over_without_leave(std::move(slot), outcome);
  bool was_ready = slot.connection->is_ready();
  bool otherwise = slot.connection->asks_otherwise();
  bool no_route = slot.connection->had_no_route();
  bool clear_refused = slot.connection->clear_was_refused();
  Candidate candidate = slot.connection->plan().candidate;
  // It broke with several messages on their way: here it is one doubt at a time from now on.
  if (slot.connection->left_doubt()) flight_max_ = 1;
  slot.spent = slot.connection->opening();
  destroy_later(std::move(slot.connection));
  if (outcome.stage == Stage::auth) token_refused_ = true;
  if (clear_refused) std::erase(tls_broken_, candidate);  // the next one tries TLS again
  if (no_route) --slot.tried;
  if (!was_ready && !otherwise)
    services_.memory.failed(candidate.endpoint.text(), services_.loop.now());
  if (slot.next_host)
    return next_host_over(std::move(slot), candidate, was_ready, otherwise, outcome);
  if (was_ready || waiting_.empty()) return dispatch();
  if (!next_candidate(slot, candidate, otherwise, outcome)) return;
  if (open_next(slot)) {
    slots_.push_back(std::move(slot));
    return;
  }
  hosts_until_ = {};  // the next try looks the addresses up afresh
  bool for_good = outcome.disposition == Disposition::failed;
  if (slots_.empty())
    fail_waiting(for_good && slot.soft ? *slot.soft : outcome, slot.spent);
  else
    no_growth_until_ = services_.loop.now() + kRefusedGrowth;
}

void Destination::fail_waiting(const mail::Outcome& outcome, const mail::StageTimes& spent) {
  mail::Outcome told = outcome;
  // What only the sender's demand fails on is no trouble of the destination.
  if (transport_.require_tls && told.stage == Stage::tls) told.blame = Blame::message;
  for (Attempt* attempt : std::exchange(waiting_, {})) {
    attempt->mx_set = mx_set_;
    attempt->times.add(lookup_);
    attempt->times.add(spent);
    attempt->account_waiting();
    add_policy(*attempt);
    settle_all(services_, *attempt, told);
  }
  lookup_ = {};
}

}  // namespace postwain::agent
