#include "qmgr/dispatch/delivery.h"

#include <algorithm>

#include "common/log/log.h"

#include "qmgr/disk/failpoint.h"
#include "qmgr/model/held_domains.h"
#include "qmgr/queue/admission.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

namespace {

constexpr std::array kAllPools = {Pool::smtp, Pool::lmtp};

// REQUIRETLS goes only to a server that has proven its name (RFC 8689 4.2.1), whatever the route is
// content with. "TLS-Required: No" waives what the receiving domain asks for (RFC 8689 5), not what
// the operator's route says. A mail store is the end of the way.
void obey_envelope(const mail::Envelope& envelope, mail::Transport& transport) {
  if (envelope.tls_required_no && transport.tls == mail::TlsLevel::policy)
    transport.tls = mail::TlsLevel::may;
  if (!envelope.require_tls || transport.hop.kind == mail::HopKind::lmtp) return;
  transport.require_tls = true;
  transport.tls = std::max(transport.tls, mail::TlsLevel::proven);
}

std::size_t index_of(Pool pool) {
  return static_cast<std::size_t>(pool);
}

// Spreads numbers that lie close together (the finalizer of splitmix64).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

bool is_given_back(const mail::Outcome& outcome) {
  return outcome.stage == mail::Stage::local && outcome.blame == mail::Blame::nobody &&
         outcome.disposition == mail::Disposition::deferred;
}

Delivery::Delivery(net::Loop& loop, Queue& queue, TokenRelay& tokens)
    : loop_(loop),
      queue_(queue),
      tokens_(tokens),
      connections_(loop),
      wake_(loop),
      opening_(loop),
      alone_(loop) {
  // Whoever has not come back by then is not waited for.
  opening_.start(kAgentsWait, [this] { open_pools(); });
}

Delivery::~Delivery() {
  loop_.forget_turn_end(this);
}

void Delivery::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                         const PeerIdentity& identity) {
  Pool pool = identity.role == ipc::Role::lmtp_client ? Pool::lmtp : Pool::smtp;
  Agent agent{};
  agent.number = peer;
  agent.pool = pool;
  agent.connection = &connection;
  agent.since = mono_now();
  agents_.emplace(peer, std::move(agent));
  if (word_) connection.send(*word_);
  connections_.connected(peer, connection);
  queue_.leasing().set_capacity(pool, agents(pool) * kLeasesPerAgent);
  look_at_pools();
}

// All agents of a kind that the configuration starts are here: a moment later their late outcomes
// are, too.
void Delivery::look_at_pools() {
  if (std::all_of(open_.begin(), open_.end(), [](bool open) { return open; })) return schedule();
  const config::Workers& workers = queue_.config().workers;
  if (agents(Pool::smtp) < workers.smtp_client || agents(Pool::lmtp) < workers.lmtp_client) return;
  opening_.start(kAgentsSettle, [this] { open_pools(); });
}

void Delivery::open_pools() {
  open_.fill(true);
  connections_.open();
  schedule();
}

void Delivery::lost(std::uint64_t peer) {
  auto found = agents_.find(peer);
  if (found == agents_.end()) return;
  Agent agent = std::move(found->second);
  agents_.erase(found);
  connections_.lost(peer);
  queue_.leasing().set_capacity(agent.pool, agents(agent.pool) * kLeasesPerAgent);
  if (!agent.leases.empty())
    log::Line(log::Level::warning, "leases_returned").kv("leases", agent.leases.size());
  for (auto& [number, running] : agent.leases) {
    mail::Outcome lost =
        mail::local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::local,
                            {4, 3, 0}, "the delivery process ended in the middle of an attempt");
    lost.in_doubt = true;
    for (std::uint32_t index : running.open) {
      running.kept.push_back({index, lost, true});
      queue_.leasing().lent_before().add(running.pick.job.id, index, agent.pool);
    }
    if (!running.kept.empty())
      queue_.leasing().settle(running.pick.job.id, std::move(running.kept));
    queue_.leasing().finished(running.pick, running.summary, running.reason);
  }
  for (auto& [number, done] : agent.probes)
    if (done)
      done(mail::local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::local,
                               {4, 3, 0}, "the delivery process ended"));
  queue_.leasing().lent_before().lost(peer);
  for (const auto& [id, indices] : agent.still_running) queue_.late_outcomes().unblock(id, indices);
  schedule();
}

void Delivery::say_word(const ipc::Word& word) {
  word_ = word;
  for (auto& [peer, agent] : agents_) agent.connection->send(word);
}

void Delivery::share_rates(SharedRates* rates) {
  queue_.leasing().rates().share(rates);
  connections_.share_rates(rates);
  rates_changed();
}

void Delivery::rates_changed() {
  rates_changed_ = true;
  schedule();
}

void Delivery::pause(bool paused) {
  paused_ = paused;
  schedule();
}

void Delivery::schedule() {
  loop_.at_turn_end(this, [this] { pump(); });
}

void Delivery::pump() {
  if (std::exchange(rates_changed_, false)) {
    queue_.leasing().rates().changed();
    connections_.rates_changed();
  }
  queue_.advance();
  // While the disk takes nothing, what waits to be recorded stays within bounds.
  bool recordable = queue_.store().unrecorded() < kUnrecordedMax;
  bool lends = !paused_ && recordable && queue_.start().holds_known();
  if (names_first_) queue_.early_names().set_lending(lends);
  if (lends) {
    for (Pool pool : kAllPools) {
      if (!open_[index_of(pool)]) continue;
      while (Agent* agent = agent_with_room(pool)) {
        std::optional<Pick> pick = queue_.leasing().next(pool);
        if (!pick) break;
        if (queue_.leasing().is_suspect(*pick)) {
          suspects_.push_back(*std::move(pick));
          continue;
        }
        Agent& chosen = agent_for(pick->destination, *agent);
        send_lease(chosen, *std::move(pick));
      }
    }
    if (!suspects_.empty()) send_suspects();
    if (!to_send_.empty()) name_attempts();
    queue_.advance();
  }
  if (names_first_) queue_.early_names().end_unused();
  set_timer();
}

void Delivery::set_timer() {
  std::optional<WallTime> wake = queue_.wake_at();
  if (wake == wake_set_ && (!wake || wake_.active())) return;
  wake_set_ = wake;
  if (!wake) return wake_.stop();
  // Looks at the wall clock at least once a minute, so that a clock that was set is noticed.
  Duration wait = std::clamp(std::chrono::duration_cast<Duration>(*wake - wall_now()), Duration(1),
                             Duration(60000));
  wake_.start(wait, [this] {
    wake_set_.reset();
    schedule();
  });
}

Delivery::Agent* Delivery::agent_with_room(Pool pool) {
  Agent* best = nullptr;
  for (auto& [peer, agent] : agents_) {
    if (!has_room(agent, pool)) continue;
    if (best == nullptr || agent.leases.size() < best->leases.size()) best = &agent;
  }
  return best;
}

bool Delivery::has_room(const Agent& agent, Pool pool) {
  return agent.pool == pool && !agent.set_apart && !agent.leaving &&
         agent.leases.size() < kLeasesPerAgent && agent.connection->pending() < kAgentBacklog;
}

// Where connections are counted, all that shares them goes to the same agent, or one would wait for
// the connections of the other. Any agent is good for that, as long as it stays the same.
Delivery::Agent& Delivery::agent_for(DestinationId destination, Agent& usual) {
  const Scheduler& scheduler = queue_.scheduler();
  if (!scheduler.counts_connections(destination)) return usual;
  const MxSet* set = scheduler.mx_set(destination);
  std::size_t whom =
      std::hash<std::string>{}(set != nullptr ? set->key : scheduler.key(destination));
  Agent* best = &usual;
  std::size_t weight = 0;
  for (auto& [peer, agent] : agents_) {
    if (!has_room(agent, usual.pool)) continue;
    std::size_t its = mix(whom + peer);
    if (its < weight) continue;
    weight = its;
    best = &agent;
  }
  return *best;
}

Delivery::Agent* Delivery::agent_apart(Pool pool) {
  Agent* best = nullptr;
  for (auto& [peer, agent] : agents_) {
    if (agent.pool != pool || agent.leaving) continue;
    if (agent.set_apart) return &agent;
    if (best == nullptr || agent.leases.size() < best->leases.size()) best = &agent;
  }
  return best;
}

// One at a time for each kind of agent. An agent that does not become idle because of slow peers
// gets it all the same after a while: others must not wait for their timeouts.
void Delivery::send_suspects() {
  for (Pool pool : kAllPools) {
    auto next = std::find_if(suspects_.begin(), suspects_.end(), [&](const Pick& pick) {
      return queue_.leasing().pool_of(pick) == pool;
    });
    Agent* agent = next != suspects_.end() ? agent_apart(pool) : nullptr;
    if (agent == nullptr) continue;
    if (!agent->set_apart) {
      agent->set_apart = true;
      agent->set_apart_at = mono_now();
    }
    if (!agent->leases.empty() && mono_now() - agent->set_apart_at < kAloneWaitMax) {
      if (!alone_.active()) alone_.start(kAloneWaitMax, [this] { schedule(); });
      continue;
    }
    Pick pick = std::move(*next);
    suspects_.erase(next);
    log::Line(log::Level::warning, "tried_alone").kv("id", pick.job.id.text());
    send_lease(*agent, std::move(pick));
    agent->set_apart_at = MonoTime::max() - kAloneWaitMax;  // now it runs
  }
}

void Delivery::send_lease(Agent& agent, Pick pick) {
  const std::uint64_t number = ++last_lease_;
  if (!names_first_ || queue_.early_names().take(pick)) {
    std::optional<ipc::Lease> lease = lease_of(number, pick);
    (void)failpoint(Failpoint::lease_send);
    if (!agent.connection->try_send(*lease)) return cannot_lend(pick);
  } else {
    for (std::uint32_t index : pick.job.recipients) to_name_.names.push_back({pick.job.id, index});
    to_send_.emplace_back(agent.number, number);
  }
  Running running{std::move(pick), {}, {}, {}, {}};
  running.open = running.pick.job.recipients;
  agent.leases.emplace(number, std::move(running));
}

// Nothing: the message is gone from memory.
std::optional<ipc::Lease> Delivery::lease_of(std::uint64_t number, const Pick& pick) const {
  WorkingMessage* found = queue_.leasing().find(pick.job.id);
  if (found == nullptr) return std::nullopt;
  WorkingMessage& message = *found;
  Routed routed = queue_.leasing().route_of(message, pick.job);
  ipc::Lease lease;
  lease.lease = number;
  lease.id = message.info.id;
  static_cast<mail::Transport&>(lease) = routed.settings->transport;
  lease.hop = std::move(routed.hop);
  obey_envelope(message.info.envelope, lease);
  lease.sts = queue_.sts_policies().find(lease.hop);
  lease.envelope = message.info.envelope;
  lease.received_at = message.info.arrival.received_at;
  if (lease.xforward) lease.arrival = message.info.arrival;
  lease.size = message.info.size;
  lease.eight_bit = message.info.eight_bit;
  lease.inlined = message.has_content && !message.info.in_file;
  if (lease.inlined) lease.content = message.content;
  lease.recipients.reserve(pick.job.recipients.size());
  for (std::uint32_t index : pick.job.recipients)
    lease.recipients.push_back({index, message.find(index)->recipient});
  return lease;
}

// What is queued must not be able to end us: it waits for an operator.
void Delivery::cannot_lend(const Pick& pick) {
  mail::Outcome outcome = mail::local_outcome(mail::Disposition::deferred, mail::Stage::local,
                                              mail::Blame::message, {4, 3, 0}, kHeldTooLarge);
  std::vector<IndexedOutcome> outcomes;
  for (std::uint32_t index : pick.job.recipients)
    outcomes.push_back({index, outcome, false, kHeldTooLarge});
  queue_.leasing().settle(pick.job.id, std::move(outcomes));
  queue_.leasing().finished(pick, {}, {});
  schedule();
}

bool Delivery::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  auto found = agents_.find(peer);
  if (found == agents_.end()) return false;
  if (type == ipc::FrameType::outcomes) return outcomes(found->second, payload);
  if (type == ipc::FrameType::draining) return draining(found->second, payload);
  if (type == ipc::FrameType::content_request) return content_request(peer, found->second, payload);
  if (type == ipc::FrameType::token_request) return token_request(peer, payload);
  if (type == ipc::FrameType::late_outcomes) return late_outcomes(peer, found->second, payload);
  return connections_.frame(peer, type, payload);
}

// The answer goes behind everything that was lent, so the agent has read all of that when it reads
// this. A client of ours says it once.
bool Delivery::draining(Agent& agent, std::string_view payload) {
  ipc::Draining message;
  if (!ipc::decode(payload, message) || agent.leaving) return false;
  agent.leaving = true;
  agent.connection->send(ipc::NothingMore{});
  schedule();
  return true;
}

bool Delivery::outcomes(Agent& agent, std::string_view payload) {
  ipc::Outcomes report;
  if (!ipc::decode(payload, report)) return false;
  auto found = agent.leases.find(report.lease);
  if (found == agent.leases.end()) return probed(agent, report);
  Running& running = found->second;
  // All of the frame is judged before any of it counts: what was taken from a frame that is refused
  // would be settled by nobody.
  std::vector<std::uint32_t> rest = running.open;
  for (const ipc::RecipientOutcome& one : report.outcomes) {
    auto open = std::find(rest.begin(), rest.end(), one.index);
    if (open == rest.end()) return false;  // unknown, or a second outcome
    rest.erase(open);
  }
  if (report.done && !rest.empty()) return false;
  running.open = std::move(rest);
  std::vector<IndexedOutcome> now;
  for (ipc::RecipientOutcome& one : report.outcomes) {
    bound(one.outcome);
    running.summary.add(one.outcome, one.index);
    if (one.outcome.blame == mail::Blame::destination) {
      const mail::Reply& reply = one.outcome.reply;
      running.reason = reply.code != 0 ? reply.one_line() : reply.text;
    }
    // A delivered recipient is settled at once: until that is committed, the death of qmgr means a
    // second copy. The others wait for each other, so that one bounce tells of all.
    auto& list = one.outcome.disposition == mail::Disposition::delivered ? now : running.kept;
    list.push_back({one.index, std::move(one.outcome)});
  }
  if (report.done) {
    for (IndexedOutcome& one : running.kept) now.push_back(std::move(one));
    running.kept.clear();
  }
  if (!now.empty())
    queue_.leasing().settle(running.pick.job.id, std::move(now), {report.times, report.signing});
  if (report.done) {
    if (report.flight > 0) queue_.leasing().note_flight(running.pick.destination, report.flight);
    queue_.metrics().stages(report.times);
    queue_.metrics().signing(report.signing);
    queue_.mx_sets().note(running.pick.destination, report.mx_set);
    if (report.sts) queue_.sts_policies().keep(running.pick.destination, *report.sts);
    if (report.lacks)
      queue_.lacking_hosts().note(queue_.scheduler().key(running.pick.destination), *report.lacks,
                                  wall_now());
    end_lease(agent, report.lease);
  }
  return true;
}

Delivery::ProbeStart Delivery::probe(const Routed& routed, const mail::Address& recipient,
                                     ProbeDone done) {
  Pool pool = pool_named(routed.key);
  bool any = std::any_of(agents_.begin(), agents_.end(), [pool](const auto& entry) {
    return entry.second.pool == pool && !entry.second.leaving;
  });
  if (!any) return ProbeStart::no_agent;
  Agent* agent = paused_ ? nullptr : agent_with_room(pool);
  if (agent == nullptr) return ProbeStart::no_room;
  if (auto known = queue_.scheduler().find(routed.key)) agent = &agent_for(*known, *agent);
  ipc::Lease lease;
  lease.lease = ++last_lease_;
  static_cast<mail::Transport&>(lease) = routed.settings->transport;
  lease.hop = routed.hop;
  lease.sts = queue_.sts_policies().find(lease.hop);
  lease.inlined = true;
  lease.probe = true;
  lease.received_at = wall_now();
  lease.envelope.smtputf8 = recipient.is_utf8();
  lease.recipients.push_back({0, {recipient, {}, {}}});
  if (!agent->connection->try_send(lease)) return ProbeStart::no_room;
  agent->probes.emplace(lease.lease, std::move(done));
  return ProbeStart::sent;
}

// The one recipient's outcome comes with the end of the lease, or just before it.
bool Delivery::probed(Agent& agent, ipc::Outcomes& report) {
  auto found = agent.probes.find(report.lease);
  if (found == agent.probes.end()) return false;
  for (ipc::RecipientOutcome& one : report.outcomes) bound(one.outcome);
  if (!report.outcomes.empty() && found->second)
    std::exchange(found->second, nullptr)(report.outcomes.front().outcome);
  if (report.done) agent.probes.erase(report.lease);
  return true;
}

void Delivery::end_lease(Agent& agent, std::uint64_t lease) {
  auto found = agent.leases.find(lease);
  queue_.leasing().finished(found->second.pick, found->second.summary, found->second.reason);
  agent.leases.erase(found);
  if (agent.leases.empty()) agent.set_apart = false;
  schedule();
}

// Clients count by hosts, whatever a route has added to the name of its destination (router.cc).
std::optional<ConnectionLedger::Count> Delivery::connections(const std::string& key) const {
  const Scheduler& scheduler = queue_.scheduler();
  auto id = scheduler.find(key);
  if (!id || !scheduler.counts_connections(*id)) return std::nullopt;
  const MxSet* set = scheduler.mx_set(*id);
  std::string_view hop = unsplit_key(key);
  return connections_.count(set != nullptr ? set->key
                                           : std::string(hop.substr(0, hop.rfind(" route="))));
}

std::size_t Delivery::agents(Pool pool) const {
  return static_cast<std::size_t>(std::count_if(
      agents_.begin(), agents_.end(), [&](const auto& a) { return a.second.pool == pool; }));
}

std::size_t Delivery::leases() const {
  std::size_t count = 0;
  for (const auto& [peer, agent] : agents_) count += agent.leases.size();
  return count;
}

}  // namespace postwain::qmgr
