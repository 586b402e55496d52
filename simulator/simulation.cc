#include "simulator/simulation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"

namespace postwain::simulator {

namespace {

constexpr Duration kCommit = std::chrono::milliseconds(10);
constexpr Duration kRead = std::chrono::milliseconds(3);
constexpr Duration kLocalPause = std::chrono::milliseconds(1);

}  // namespace

Simulation::Simulation(Scenario scenario, Source source)
    : scenario_(std::move(scenario)),
      source_(std::move(source)),
      random_(scenario_.seed),
      scheduler_(scenario_.limits, scenario_.seed),
      now_(scenario_.start),
      sites_(scenario_.destinations.size()) {
  scheduler_.configure(scenario_.queue.retry, scenario_.queue.retry_lmtp);
  for (qmgr::Pool pool : {qmgr::Pool::smtp, qmgr::Pool::lmtp})
    scheduler_.set_capacity(pool, scenario_.agent_leases);
  for (std::size_t i = 0; i < sites_.size(); ++i)
    sites_[i].result.key = scenario_.destinations[i].key;
  report_.start = now_;
  next_arrival_ = source_();
}

bool Simulation::run(std::uint64_t events) {
  std::uint64_t stop = report_.events > UINT64_MAX - events ? UINT64_MAX : report_.events + events;
  while (report_.events < stop) {
    std::optional<WallTime> next = scheduler_.wake_at();
    auto earliest = [&next](WallTime t) { next = next ? std::min(*next, t) : t; };
    if (next_arrival_) earliest(next_arrival_->at);
    if (!due_.empty()) earliest(due_.top().at);
    bool idle = !next_arrival_ && due_.empty();
    if (scenario_.end && (!next || *next > *scenario_.end)) return false;
    if (idle && open_ == 0) return false;
    if (!next) {
      expect(false, "whoever waits is woken some time", fmt::format("{} recipients", open_));
      return false;
    }
    step_to(std::max(*next, now_));
  }
  return true;
}

void Simulation::step_to(WallTime at) {
  now_ = at;
  if (next_arrival_ && next_arrival_->at <= now_) {
    arrive(*next_arrival_);
    next_arrival_ = source_();
  } else if (!due_.empty() && due_.top().at <= now_) {
    Due due = due_.top();
    due_.pop();
    ++report_.events;
    if (due.step == Step::lease_ends) lease_ends(due.slot);
    if (due.step == Step::settled) settled(due.slot);
    if (due.step == Step::refilled) refilled(due.slot);
  } else {
    ++report_.events;  // the scheduler wanted to be woken
  }
  pump();
}

void Simulation::after(Duration pause, Step step, std::uint32_t slot) {
  due_.push({now_ + pause, ++due_number_, step, slot});
}

// --- mail arrives ------------------------------------------------------------------------------

void Simulation::arrive(const Arrival& arrival) {
  Message message;
  message.received_at = now_;
  message.first = static_cast<std::uint32_t>(recipients_.size());
  message.count = static_cast<std::uint32_t>(arrival.destinations.size());
  message.null_sender = arrival.null_sender;
  message.sender = arrival.sender;
  mail::Envelope envelope;
  if (!arrival.null_sender) envelope.reverse_path = info_of(message).envelope.reverse_path;
  message.traffic_class = qmgr::classify(qmgr::MessageKind::mail, envelope, message.count);
  auto number = static_cast<std::uint32_t>(messages_.size());
  messages_.push_back(message);
  for (std::uint32_t site : arrival.destinations) {
    Recipient r;
    r.due = now_;
    r.message = number;
    r.destination = site;
    std::size_t place = recipients_.size() - message.first;
    r.mailbox = place < arrival.mailboxes.size()
                    ? arrival.mailboxes[place]
                    : static_cast<std::uint32_t>(recipients_.size() + (1U << 30U));
    sites_[site].rows.emplace(now_, number, static_cast<std::uint32_t>(recipients_.size()));
    recipients_.push_back(r);
    ++sites_[site].result.waiting;
  }
  open_ += message.count;
  report_.events += message.count;
  report_.recipients += message.count;
  hour().arrived += message.count;
  // Recipients of one destination side by side in this order, as the queue sorts them.
  std::uint32_t start = message.first;
  std::uint32_t end = message.first + message.count;
  while (start < end) {
    std::uint32_t run = start + 1;
    while (run < end && recipients_[run].destination == recipients_[start].destination) ++run;
    offer_message(number, start, run - start);
    start = run;
  }
}

void Simulation::offer_message(std::uint32_t message, std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t done = 0; done < count; done += qmgr::kLeaseRecipients) {
    const Message& m = messages_[message];
    qmgr::Job job{mail::QueueId{message + 1}, m.traffic_class, milestone_of(m, false), {}};
    job.remaining = count;
    std::uint32_t size = std::min<std::uint32_t>(count - done, qmgr::kLeaseRecipients);
    for (std::uint32_t i = 0; i < size; ++i) job.recipients.push_back(first + done + i);
    job.marks = marks_of(job);
    std::uint32_t site = recipients_[first].destination;
    if (!offer(site, std::move(job), qmgr::Scheduler::Source::accepted))
      scheduler_.due_at(name(site), now_, now_);
  }
}

bool Simulation::offer(std::uint32_t site, qmgr::Job job, qmgr::Scheduler::Source source) {
  qmgr::DestinationId id = name(site);
  auto count = static_cast<std::uint32_t>(job.recipients.size());
  std::vector<std::uint32_t> recipients = job.recipients;
  scheduler_.pin(id, count);
  if (!scheduler_.offer(id, job, source, now_)) {
    // As in the queue: told before it is unpinned, so that the destination stays known.
    scheduler_.due_at(id, recipients_[recipients.front()].due, now_);
    scheduler_.unpin(id, count, now_);
    return false;
  }
  for (std::uint32_t r : recipients) {
    expect(recipients_[r].phase == Phase::stored, "nobody is queued twice",
           sites_[site].result.key);
    recipients_[r].phase = Phase::queued;
  }
  return true;
}

qmgr::DestinationId Simulation::name(std::uint32_t index) {
  const DestinationPlan& plan = scenario_.destinations[index];
  Site& site = sites_[index];
  if (site.named && scheduler_.find(plan.key) == site.id) return site.id;
  site.id = scheduler_.destination(plan.key, plan.settings);
  site.named = true;
  site_by_id_[site.id] = index;
  if (site.associated) scheduler_.associate(site.id, plan.mx_set, now_);
  return site.id;
}

// --- the store ---------------------------------------------------------------------------------

void Simulation::read(qmgr::Refill refill) {
  Read read;
  std::uint32_t index = site_of(refill.destination);
  const Site& site = sites_[index];
  auto row = site.rows.upper_bound(
      Row{refill.after.due, static_cast<std::uint32_t>(refill.after.id.value), refill.after.index});
  for (; row != site.rows.end(); ++row) {
    auto [due, message, recipient] = *row;
    if (due > now_ || read.rows.size() == refill.limit) {
      read.next_due = due;
      break;
    }
    read.rows.push_back(recipient);
    read.keys.push_back(*row);
  }
  ++report_.refills;
  report_.rows_read += read.rows.size();
  read.refill = std::move(refill);
  after(kRead, Step::refilled, reads_.put(std::move(read)));
}

void Simulation::refilled(std::uint32_t slot) {
  Read read = reads_.take(slot);
  std::unordered_map<std::uint32_t, std::uint32_t> queue_counts;
  struct Group {
    std::uint32_t message;
    std::size_t first;
    std::vector<std::uint32_t> recipients;
  };
  std::vector<Group> groups;
  std::unordered_map<std::uint32_t, std::size_t> open;
  for (std::size_t i = 0; i < read.rows.size(); ++i) {
    const Recipient& r = recipients_[read.rows[i]];
    // Known in memory, or settled since it was read.
    if (r.phase != Phase::stored || r.due != std::get<0>(read.keys[i])) continue;
    ++queue_counts[r.message];
    auto [at, is_new] = open.try_emplace(r.message, groups.size());
    if (!is_new && groups[at->second].recipients.size() >= qmgr::kLeaseRecipients) {
      is_new = true;
      at->second = groups.size();
    }
    if (is_new) groups.push_back({r.message, i, {}});
    groups[at->second].recipients.push_back(read.rows[i]);
  }
  std::size_t taken = read.rows.size();
  for (Group& group : groups) {
    const Message& m = messages_[group.message];
    bool warned = std::all_of(group.recipients.begin(), group.recipients.end(),
                              [this](std::uint32_t r) { return recipients_[r].warned; });
    qmgr::Job job{mail::QueueId{group.message + 1}, m.traffic_class, milestone_of(m, warned), {}};
    job.recipients = std::move(group.recipients);
    job.waiting_since = recipients_[job.recipients.front()].due;
    job.remaining = queue_counts[group.message];
    job.marks = marks_of(job);
    for (std::uint32_t r : job.recipients)
      if (recipients_[r].broken_off)
        job.failures = std::max<std::uint32_t>(job.failures, recipients_[r].attempts);
    qmgr::DestinationId id = read.refill.destination;
    auto count = static_cast<std::uint32_t>(job.recipients.size());
    std::vector<std::uint32_t> recipients = job.recipients;
    scheduler_.pin(id, count);
    if (!scheduler_.offer(id, job, qmgr::Scheduler::Source::store, now_)) {
      scheduler_.unpin(id, count, now_);
      taken = std::min(taken, group.first);
      continue;
    }
    for (std::uint32_t r : recipients) recipients_[r].phase = Phase::queued;
  }
  qmgr::StoreCursor cursor = read.refill.after;
  if (taken > 0) {
    auto [due, message, recipient] = read.keys[taken - 1];
    cursor = {due, mail::QueueId{message}, recipient};
  }
  std::optional<WallTime> next_due = taken < read.rows.size() ? now_ : read.next_due;
  scheduler_.refilled(read.refill.destination, next_due, cursor, now_);
}

void Simulation::settle(Settled settled) {
  after(kCommit, Step::settled, settled_.put(std::move(settled)));
}

// The commit is done: who waits has its new row, and memory forgets them.
void Simulation::settled(std::uint32_t slot) {
  Settled settled = settled_.take(slot);
  for (auto& [index, change] : settled.waits) {
    Recipient& r = recipients_[index];
    Site& site = sites_[r.destination];
    site.rows.erase(Row{r.due, r.message, index});
    r.due = change.next_attempt_at;
    r.attempts = static_cast<std::uint16_t>(std::min<std::uint32_t>(change.attempts, UINT16_MAX));
    r.warned = change.delay_warned;
    r.broken_off = mail::is_broken_off(change.last.stage, change.last.reply);
    r.greylisted_at = qmgr::greylisted_at(&change.last).value_or(WallTime{});
    site.rows.emplace(r.due, r.message, index);
    scheduler_.due_at(name(r.destination), r.due, now_);
    r.phase = Phase::stored;
  }
  for (std::uint32_t index : settled.recipients) {
    Recipient& r = recipients_[index];
    if (r.phase == Phase::settling) {
      sites_[r.destination].rows.erase(Row{r.due, r.message, index});
      r.phase = Phase::gone;
      --open_;
      --sites_[r.destination].result.waiting;
    }
    scheduler_.unpin(sites_[r.destination].id, 1, now_);
  }
}

// --- the agents --------------------------------------------------------------------------------

void Simulation::pump() {
  scheduler_.advance(now_);
  for (qmgr::Refill& one : scheduler_.take_refills()) read(std::move(one));
  milestones_due();
  put_off();
  for (qmgr::Pool pool : {qmgr::Pool::smtp, qmgr::Pool::lmtp})
    while (running_[static_cast<std::size_t>(pool)] < scenario_.agent_leases) {
      std::optional<qmgr::Pick> pick = scheduler_.next(pool, now_);
      if (!pick) break;
      start(*std::move(pick));
    }
  put_off();
  report_.memory_max = std::max(report_.memory_max, scheduler_.queued_recipients());
  expect(
      scheduler_.queued_recipients() <= scenario_.limits.total_recipients + qmgr::kLeaseRecipients,
      "memory is bounded", "");
}

void Simulation::start(qmgr::Pick pick) {
  ++report_.events;
  std::uint32_t index = site_of(pick.destination);
  Site& site = sites_[index];
  const DestinationPlan& plan = scenario_.destinations[index];
  ++site.running;
  ++site.result.attempts;
  site.result.running_max = std::max(site.result.running_max, site.running);
  ++hour().attempts;
  ++running_[static_cast<std::size_t>(plan.settings.pool)];
  check_start(pick, site);
  const Message& message = messages_[pick.job.id.value - 1];
  bool out = is_out(plan);
  for (std::uint32_t r : pick.job.recipients) {
    Recipient& recipient = recipients_[r];
    expect(recipient.phase == Phase::queued, "only who is queued is lent, and once", plan.key);
    expect(recipient.due <= now_, "nobody is tried before its time", plan.key);
    recipient.phase = Phase::leased;
    if (message.count == 1 && !recipient.tried && plan.outages.empty())
      report_.note_wait_max = std::max<Duration>(report_.note_wait_max, now_ - message.received_at);
    recipient.tried = true;
  }
  Lease lease{std::move(pick), index, out};
  Duration latency = out ? plan.dead_latency : plan.latency;
  auto took = Duration(
      1 + static_cast<std::int64_t>(static_cast<double>(latency.count()) * (0.5 + unit())));
  if (plan.local_share > 0 && unit() < plan.local_share) took = kLocalPause;
  after(took, Step::lease_ends, leases_.put(std::move(lease)));
}

void Simulation::check_start(const qmgr::Pick& pick, Site& site) {
  const DestinationPlan& plan = scenario_.destinations[site_of(pick.destination)];
  expect(site.running <= scheduler_.health(pick.destination).slots(now_), "the window is kept",
         plan.key);
  expect(!scheduler_.is_suspended(pick.destination), "the suspended is left alone", plan.key);
  // No agent says here that a connection carries more than one message at a time.
  if (plan.settings.connections > 0)
    expect(site.running <= plan.settings.connections, "the connections are kept", plan.key);
  if (plan.settings.rate_count > 0) check_rate(site.starts, plan, "destination");
  if (plan.settings.route_connections > 0) {
    std::uint32_t running = ++routes_running_[plan.settings.route];
    expect(running <= plan.settings.route_connections, "the route's limit is kept", plan.key);
  }
  const qmgr::MxSet* set = scheduler_.mx_set(pick.destination);
  if (set == nullptr) return;
  expect(set->running <= set->health.slots(now_), "the window of the MX set is kept", set->key);
  if (plan.settings.rate_count > 0) check_rate(set_starts_[set->key], plan, "MX set");
}

void Simulation::check_rate(std::deque<WallTime>& starts, const DestinationPlan& plan,
                            const char* whose) {
  starts.push_back(now_);
  while (starts.front() <= now_ - plan.settings.rate_period) starts.pop_front();
  std::size_t most = plan.settings.rate_count + plan.settings.rate_count / 10 + 2;
  expect(starts.size() <= most, "the rate is kept", fmt::format("{} of the {}", plan.key, whose));
}

void Simulation::lease_ends(std::uint32_t slot) {
  Lease lease = leases_.take(slot);
  const DestinationPlan& plan = scenario_.destinations[lease.site];
  Site& site = sites_[lease.site];
  --site.running;
  --running_[static_cast<std::size_t>(plan.settings.pool)];
  if (plan.settings.route_connections > 0) --routes_running_[plan.settings.route];
  bool untried = plan.local_share > 0 && unit() < plan.local_share;
  qmgr::AttemptSummary summary;
  Settled settled;
  settled.recipients = lease.pick.job.recipients;
  for (std::uint32_t r : lease.pick.job.recipients) {
    mail::Outcome outcome =
        untried ? mail::local_outcome(mail::Disposition::deferred, mail::Stage::local,
                                      mail::Blame::local, {4, 3, 0}, "handed back")
                : outcome_for(recipients_[r], plan, !lease.unreachable);
    summary.add(outcome, r);
    judge(r, outcome, settled);
  }
  if (!plan.mx_set.empty() && !site.associated && !lease.unreachable) {
    site.associated = true;
    scheduler_.associate(lease.pick.destination, plan.mx_set, now_);
  }
  qmgr::BrokenAt at{0, "421 not now"};
  if (summary.broken_at()) at.recipient = recipients_[*summary.broken_at()].mailbox + 1;
  qmgr::HealthChange changed = scheduler_.finished(lease.pick, summary.end(), now_, at);
  const qmgr::DestinationHealth& health = scheduler_.health(lease.pick.destination);
  site.result.window = health.window();
  site.result.window_max = std::max(site.result.window_max, health.window());
  if (changed.destination && health.is_open() && health.opens() == 1) {
    ++site.result.breaker_opened;
    site.held_since = now_;
  } else if (changed.destination && !health.is_open()) {
    site.result.held += now_ - site.held_since;
  }
  settle(std::move(settled));
}

bool Simulation::is_out(const DestinationPlan& plan) const {
  return std::any_of(plan.outages.begin(), plan.outages.end(),
                     [this](const Outage& o) { return now_ >= o.from && now_ < o.to; });
}

}  // namespace postwain::simulator
