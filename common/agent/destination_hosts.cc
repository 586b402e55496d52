// Which host a connection of a destination is tried at: the order, the address, and what follows a
// failure.
#include <algorithm>
#include <iterator>
#include <utility>

#include "common/agent/destination.h"
#include "common/log/log.h"

namespace postwain::agent {

using mail::Disposition;
using mail::Stage;

namespace {

bool same_host(const Candidate& a, const Candidate& b) {
  return a.host == b.host && a.endpoint.port == b.endpoint.port;
}

// Each host has the chance of its share of what is left (as RFC 2782 has it), with all its
// addresses. Without weights the order stays.
std::vector<Candidate> by_lot(std::vector<Candidate> rest, std::minstd_rand& random) {
  if (rest.empty() || rest.front().weight == 0) return rest;
  std::vector<Candidate> out;
  while (!rest.empty()) {
    std::vector<double> weights;  // the addresses of a host stand behind each other
    for (std::size_t i = 0; i < rest.size(); ++i)
      weights.push_back(i > 0 && same_host(rest[i], rest[i - 1]) ? 0 : rest[i].weight);
    std::discrete_distribution<std::size_t> lot(weights.begin(), weights.end());
    const Candidate drawn = rest[lot(random)];
    auto same = [&](const Candidate& c) { return same_host(c, drawn); };
    std::copy_if(rest.begin(), rest.end(), std::back_inserter(out), same);
    std::erase_if(rest, same);
  }
  return out;
}

}  // namespace

// Those with weights by lot; the fallback hosts stay behind.
Destination::Candidates Destination::order() {
  bool weighted =
      std::any_of(hosts_->begin(), hosts_->end(), [](const Candidate& c) { return c.weight > 0; });
  bool many = static_cast<std::size_t>(std::count_if(
                  hosts_->begin(), hosts_->end(),
                  [](const Candidate& c) { return !c.is_fallback; })) > kAddressesTriedMax;
  if (!weighted && !many) return hosts_;
  std::vector<Candidate> own;
  std::vector<Candidate> fallback;
  for (const Candidate& c : *hosts_) (c.is_fallback ? fallback : own).push_back(c);
  std::vector<Candidate> out = by_lot(std::move(own), random_);
  if (many) out = last_tried_last(std::move(out));
  for (Candidate& c : by_lot(std::move(fallback), random_)) out.push_back(std::move(c));
  return std::make_shared<const std::vector<Candidate>>(std::move(out));
}

// More addresses than one attempt tries: the best keeps its place, and of the others those that
// failed last come last, so that none is never tried.
std::vector<Candidate> Destination::last_tried_last(std::vector<Candidate> hosts) const {
  MonoTime now = services_.loop.now();
  auto failed_at = [&](const Candidate& c) {
    return services_.memory.failed_at(c.endpoint.text(), now).value_or(MonoTime::min());
  };
  std::stable_sort(hosts.begin() + 1, hosts.end(), [&](const Candidate& a, const Candidate& b) {
    return failed_at(a) < failed_at(b);
  });
  return hosts;
}

// Null: they cannot be made, which has been logged.
const ClientTls* Destination::contexts() {
  if (transport_.certificate.chain.empty())
    return services_.tls.unverified != nullptr ? &services_.tls : nullptr;
  if (own_tls_) return &*own_tls_;
  auto made = ClientTls::make(transport_.certificate);
  if (!made) {
    log::Line(log::Level::error, "tls_context")
        .kv("destination", transport_.hop.key())
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
    ConnectionPlan plan{candidate,   source_for(candidate, possible),
                        level,       &transport_,
                        contexts(),  token_refused_,
                        flight_max_, slot.spent};
    plan.avoid = transport_.avoid;
    plan.avoid.add(services_.memory.lacks(host_key(candidate), services_.loop.now()));
    if (!possible) continue;
    plan.bounds = bounds_from(plan.source);
    plan.owner = owner_of(slot);
    bool broken = std::find(tls_broken_.begin(), tls_broken_.end(), candidate) != tls_broken_.end();
    slot.in_clear = slot.in_clear || (level == mail::TlsLevel::may && broken);
    if (slot.in_clear) plan.tls = mail::TlsLevel::off;
    plan.in_clear_again = slot.in_clear;
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
  if (waiting_.empty() || load().live > 0 || slots_.size() >= connections_max()) return;
  for (Slot& slot : slots_) {
    if (slot.next_host || slot.raced || !slot.connection->connecting() || !has_other_family(slot))
      continue;
    slot.raced = true;
    Slot other;
    other.hosts = slot.hosts;
    other.candidate = slot.candidate + 1;
    other.tried = slot.tried;
    other.spent = slot.spent;
    bool taken = std::any_of(slots_.begin(), slots_.end(), [&](const Slot& one) {
      return one.hosts == other.hosts && one.candidate == other.candidate;
    });
    if (!taken && open_next(other)) slots_.push_back(std::move(other));
    return;
  }
}

// The source address for a new connection: of those of the route that have the candidate's address
// family, the one from which this destination has the fewest connections; several such sources take
// turns. Connections are counted for each source address, so waiting for a place at one source
// while another has a free place would waste time. A route with sources never sends from another
// address.
std::string Destination::source_for(const Candidate& candidate, bool& possible) {
  const std::vector<std::string>& sources = transport_.sources;
  if (sources.empty() || !candidate.endpoint.unix_path.empty()) return {};
  bool v6 = candidate.endpoint.host.find(':') != std::string::npos;
  const std::string* chosen = nullptr;
  std::ptrdiff_t fewest = 0;
  std::size_t first = next_source_;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string& source = sources[(first + i) % sources.size()];
    if ((source.find(':') != std::string::npos) != v6) continue;
    auto have = std::count_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
      return slot.connection->plan().source == source;
    });
    if (chosen != nullptr && have >= fewest) continue;
    chosen = &source;
    fewest = have;
    next_source_ = first + i + 1;
  }
  possible = chosen != nullptr;
  return possible ? *chosen : std::string{};
}

// Moves the slot on to what is tried next; behind the last there is nothing. False: somebody else
// is trying already.
bool Destination::next_candidate(Slot& slot, const Candidate& failed, bool otherwise,
                                 const mail::Outcome& outcome) {
  if (otherwise && ++slot.otherwise <= mail::kAbilities) {
    if (slot.tried > 0) --slot.tried;  // the same address again, asked in another way
    return !is_opening(slot);
  }
  if (outcome.disposition == Disposition::deferred && !slot.soft) slot.soft = outcome;
  const std::vector<Candidate>& hosts = *slot.hosts;
  if (failed.tls.level == mail::TlsLevel::may && outcome.stage == Stage::tls && !slot.in_clear &&
      (!transport_.credential.present() || failed.is_fallback)) {
    tls_broken_.push_back(failed);  // the same address again, in clear
    return !is_opening(slot);
  }
  slot.in_clear = false;
  ++slot.candidate;
  // A server that lacks REQUIRETLS says nothing of the others (RFC 8689 4.2.1).
  bool all = transport_.require_tls ||
             (slot.candidate < hosts.size() && hosts[slot.candidate].is_fallback);
  if (!all && slot.tried >= kAddressesTriedMax) {
    while (slot.candidate < hosts.size() && !hosts[slot.candidate].is_fallback) ++slot.candidate;
  }
  if (slot.candidate < hosts.size() && hosts[slot.candidate].is_fallback && !failed.is_fallback)
    slot.tried = 0;
  if (failed.is_fallback && slot.tried >= kAddressesTriedMax) slot.candidate = hosts.size();
  return slot.candidate >= hosts.size() || !is_opening(slot);
}

}  // namespace postwain::agent
