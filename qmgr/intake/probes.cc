#include "qmgr/intake/probes.h"

#include "common/log/log.h"

namespace postwain::qmgr {

Probes::Probes(net::Loop& loop, Queue& queue, Delivery& delivery, const config::Config& config)
    : loop_(loop), queue_(queue), delivery_(delivery) {
  configure(config);
}

void Probes::configure(const config::Config& config) {
  domains_.clear();
  for (const config::Domain& domain : config.domains)
    if (domain.recipients == config::RecipientCheck::probe)
      for (const std::string& name : domain.names) domains_.insert(mail::domain_key(name));
}

void Probes::recover() {
  WallTime old = wall_now() - kGoodFor;
  queue_.store().write(RecipientFact(RemoveRecipientChecksBefore{old}));
  read_checks({});
}

void Probes::read_checks(std::string after) {
  queue_.store().read(
      [this, after = std::move(after)](QueueStore& store) -> StoreService::Completion {
        auto found = std::make_shared<StoreResult<std::vector<RecipientCheck>>>(
            store.recipient_checks().list(after, kChecksOfOneRead));
        return [this, found] {
          if (!*found || (*found)->empty()) return;
          bool more = (*found)->size() == kChecksOfOneRead && cache_.size() < kRecipientsKnownMax;
          std::string last = (*found)->back().address;
          for (RecipientCheck& check : **found) cache_.put(std::move(check));
          if (more) read_checks(std::move(last));
        };
      });
}

void Probes::notify(std::vector<Done> waiting, const RecipientCheck* check) {
  auto verdict = check == nullptr ? ipc::ProbeVerdict::undecided
                 : check->good    ? ipc::ProbeVerdict::good
                                  : ipc::ProbeVerdict::bad;
  mail::Reply reply =
      check != nullptr
          ? reply_of(*check)
          : mail::Reply{450, {4, 1, 1}, "Recipient cannot be verified now, try again later"};
  for (Done& done : waiting) done(verdict, reply);
}

void Probes::ask(const mail::Address& recipient, Done done) {
  std::string key = RecipientCache::key_of(recipient);
  std::optional<RecipientCache::Found> found = cache_.find(key, wall_now());
  if (found) {
    notify({std::move(done)}, found->check);
    if (!found->fresh && !running_.contains(key)) start(key, recipient);
    return;
  }
  auto running = running_.find(key);
  if (running == running_.end()) {
    start(key, recipient);
    running = running_.find(key);
  }
  if (running == running_.end() || running->second.waiting.size() >= kProbeWaitersMax)
    return notify({std::move(done)}, nullptr);
  running->second.waiting.push_back(std::move(done));
}

// Nothing is started where the answer cannot come: the breaker is open, no agent has room.
void Probes::start(const std::string& key, const mail::Address& recipient) {
  if (running_.size() >= kProbesAtOnce) return;
  Running& running = running_[key];
  if (!send(key, recipient)) {
    running_.erase(key);
    return;
  }
  running.timer = std::make_unique<net::Timer>(loop_);
  running.timer->start(kProbeAnswerMax, [this, key] {
    // The answer is still worth keeping when it comes; clients do not wait for it any longer.
    auto late = running_.find(key);
    if (late != running_.end()) notify(std::exchange(late->second.waiting, {}), nullptr);
  });
}

// Sends the question of an element of running_. False: it was not sent, and will not be.
bool Probes::send(const std::string& key, const mail::Address& recipient) {
  Routed routed = queue_.destinations().route(recipient, mail::Address());
  if (!queue_.is_reachable(routed.key)) return false;
  auto started = delivery_.probe(
      routed, recipient,
      [this, key, recipient](const mail::Outcome& outcome) { answered(key, recipient, outcome); });
  if (started == Delivery::ProbeStart::no_agent) retry_later(key, recipient);
  return started != Delivery::ProbeStart::no_room;
}

void Probes::retry_later(const std::string& key, const mail::Address& recipient) {
  Running& running = running_[key];
  ++running.retries;
  running.retry_timer = std::make_unique<net::Timer>(loop_);
  running.retry_timer->start(kProbeRetryPause, [this, key, recipient] {
    if (running_[key].retries > kProbeRetriesMax || !send(key, recipient)) cannot_ask(key);
  });
}

void Probes::cannot_ask(const std::string& key) {
  auto found = running_.find(key);
  std::vector<Done> waiting = std::move(found->second.waiting);
  running_.erase(found);
  notify(std::move(waiting), nullptr);
}

void Probes::answered(const std::string& key, const mail::Address& recipient,
                      const mail::Outcome& outcome) {
  auto found = running_.find(key);
  if (found == running_.end()) return;
  if (is_given_back(outcome) && found->second.retries < kProbeRetriesMax)
    return retry_later(key, recipient);
  std::vector<Done> waiting = std::move(found->second.waiting);
  running_.erase(found);
  std::optional<RecipientCheck> check = check_of(recipient, outcome, wall_now());
  log::Line(log::Level::info, "probed")
      .kv("to", recipient.text())
      .kv("verdict", !check        ? "undecided"
                     : check->good ? "good"
                                   : "bad")
      .kv("host", outcome.remote_host)
      .kv("reply", outcome.reply.one_line());
  using enum ipc::ProbeVerdict;
  queue_.metrics().probed(!check ? undecided : check->good ? good : bad);
  notify(std::move(waiting), check ? &*check : nullptr);
  if (check) keep(*std::move(check));
}

void Probes::record(const mail::Address& recipient, const mail::Outcome& outcome) {
  if (domains_.empty()) return;
  std::string domain = recipient.domain_key();
  bool ours = domains_.contains(domain);
  for (std::size_t dot = domain.find('.'); !ours && dot != std::string::npos;
       dot = domain.find('.', dot + 1))
    ours = domains_.contains(domain.substr(dot));
  if (!ours) return;
  if (auto check = check_of(recipient, outcome, wall_now())) keep(*std::move(check));
}

void Probes::keep(RecipientCheck check) {
  RecipientCheck stored = check;
  if (!cache_.put(std::move(check))) return;
  queue_.store().write(RecipientFact(std::move(stored)));
}

}  // namespace postwain::qmgr
