#include "qmgr/queue/queue.h"

#include <algorithm>

#include "common/log/log.h"

#include "qmgr/routing/expansion.h"
#include "qmgr/routing/scheduler_settings.h"
#include "qmgr/store/compact_record.h"

namespace postwain::qmgr {

Pool Queue::pool_named(const std::string& key) {
  return key.compare(0, 5, "lmtp:") == 0 ? Pool::lmtp : Pool::smtp;
}

Queue::Queue(net::Loop& loop, std::unique_ptr<QueueStore> store, ContentFolder files,
             ObservedTime observed, const config::Config& config, Hooks hooks)
    : loop_(loop),
      config_(config),
      hooks_(std::move(hooks)),
      observed_(std::move(observed)),
      scheduler_(SchedulerLimits{}, static_cast<std::uint64_t>(to_unix_ms(wall_now()))),
      files_(files),
      gather_timer_(loop),
      start_timer_(loop),
      recorder_(std::make_unique<Recorder>(loop, files.path().substr(0, files.path().rfind('/')),
                                           config.queue.history)),
      worker_(std::make_unique<ContentWorker>(loop)),
      store_(std::make_unique<StoreWorker>(
          loop, std::move(store), files,
          StoreWorker::Events{
              [this](bool full) { hooks_.on_full(full); },
              [this](const StoreError& error) { hooks_.on_broken(error); },
              [this](std::chrono::microseconds took) { metrics_.commit.observe(took); }})) {
  configure(config);
}

Queue::~Queue() {
  finish();
}

void Queue::finish() {
  if (!finishing_) tell_the_waiting(MonoTime::max());
  finishing_ = true;
  gather_timer_.stop();
  start_timer_.stop();
  // Content files first: what they complete may still write rows.
  if (worker_) worker_->finish();
  if (store_) store_->finish();
  if (recorder_) recorder_->history().finish();
}

void Queue::configure(const config::Config& config) {
  config_ = config;
  router_ = std::make_unique<Router>(config_);
  rewriter_ = std::make_unique<rewrite::Rewriter>(config_.addresses);
  scheduler_.configure(config_.queue.retry, config_.queue.retry_lmtp);
  recorder_->history().configure(config_.queue.history);
  route_again([](const WorkingRecipient&) { return true; });
  hooks_.on_work();
}

// What waits in memory and is meant goes back to the store: when it is read, it is routed anew.
// Jobs come out whole.
void Queue::route_again(const std::function<bool(const WorkingRecipient&)>& meant) {
  WallTime now = wall_now();
  for (mail::QueueId id : working_.ids()) {
    WorkingMessage& message = *working_.find(id);
    std::set<DestinationId> touched;
    for (const WorkingRecipient& r : message.recipients)
      if (r.phase == RecipientPhase::queued && meant(r)) touched.insert(r.destination);
    if (touched.empty()) continue;
    std::vector<std::uint32_t> out;
    for (const WorkingRecipient& r : message.recipients)
      if (r.phase == RecipientPhase::queued && touched.count(r.destination) > 0)
        out.push_back(r.index);
    std::vector<std::string> destinations;
    for (DestinationId destination : touched) {
      scheduler_.withdraw(destination, id, now);
      scheduler_.due_at(destination, now, now);
      destinations.push_back(scheduler_.key(destination));
    }
    if (message.packed) normalise(id, std::move(destinations), message.info.arrival.received_at);
    working_.remove(message, out,
                    [&](WorkingRecipient& r) { scheduler_.unpin(r.destination, 1, now); });
    working_.forget_if_empty(id);
  }
}

// --- new messages -----------------------------------------------------------------------------

void Queue::give_its_way(NewMessage& message) {
  for (NewRecipient& r : message.recipients)
    r.destination = r.recipient.decided.positive()
                        ? mail::NextHop{mail::HopKind::discard, {}, {}}.key()
                        : route(r.recipient.address, message.info.envelope.reverse_path).key;
  message.info.traffic_class =
      classify(message.info.kind, message.info.envelope, message.recipients.size());
  message.packed = message.held_for.empty() && message.recipients.size() <= kCompactRecipients &&
                   working_.has_room();
}

void Queue::accept(NewMessage message, std::function<void(AcceptEnd)> done) {
  for (NewRecipient& r : message.recipients)
    if (!r.recipient.address.has_domain() &&
        r.recipient.decided.code == 0)  // the bare <postmaster> of RFC 5321 4.5.1
      r.recipient.address = mail::Address::from_text(config_.postmaster);
  auto request = std::make_unique<AcceptRequest>();
  Submission& submission = request->submission;
  if (rewriter_->idle() || message.restored) {
    if (!message.restored) unite_equal(message.recipients);
    submission.message = std::move(message);
  } else {
    mail::QueueId id = message.info.id;
    ExpandedMail expanded = expand(std::move(message), *rewriter_, [this] { return next_id(); });
    bool faulty = expanded.problem == rewrite::Problem::fault;
    if (expanded.problem != rewrite::Problem::none) {
      log::Line(log::Level::warning, "not_expanded")
          .kv("id", id.text())
          .kv("to", expanded.problem_at)
          .kv("reason", rewrite::text_of(expanded.problem))
          .kv("config", expanded.origin.text());
    }
    if (expanded.messages.empty())
      return done(faulty ? AcceptEnd::faulty : AcceptEnd::unexpandable);
    submission.message = std::move(expanded.messages.front());
    submission.parts.assign(std::make_move_iterator(expanded.messages.begin() + 1),
                            std::make_move_iterator(expanded.messages.end()));
    if (!expanded.told.empty()) {
      submission.notices = notices_for(expanded.as_given, std::move(expanded.told));
    }
  }
  give_its_way(submission.message);
  for (NewMessage& part : submission.parts) give_its_way(part);
  request->due = wall_now();
  request->done = [this, done = std::move(done)](AcceptRequest& r) {
    if (r.end == AcceptEnd::failed || r.end == AcceptEnd::conflict || r.end == AcceptEnd::unknown)
      log::Line(log::Level::error, "not_accepted")
          .kv("id", r.submission.message.info.id.text())
          .kv("error", r.end == AcceptEnd::conflict ? "the id is taken" : r.error);
    AcceptEnd end = r.end;
    if (end == AcceptEnd::stored)
      accepted(std::move(r.submission), r.due, r.began);
    else if (end != AcceptEnd::unknown)
      remove_parts(r.submission);
    done(end);
  };
  if (submission.message.info.in_file && !submission.parts.empty())
    return share_content(std::move(request));
  store_->accept(std::move(request));
}

// Before the rows: the files of the parts are there, synced, or there will be no parts.
void Queue::share_content(std::unique_ptr<AcceptRequest> request) {
  std::vector<mail::QueueId> parts;
  for (const NewMessage& part : request->submission.parts) parts.push_back(part.info.id);
  mail::QueueId id = request->submission.message.info.id;
  worker_->run(id, [this, id, files = files_, parts = std::move(parts),
                    request = std::shared_ptr<AcceptRequest>(std::move(request))]() mutable {
    Status shared = files.share(id, parts);
    return
        [this, request = std::move(request), error = shared ? std::string() : shared.error().text] {
          auto own = std::make_unique<AcceptRequest>(std::move(*request));
          if (error.empty()) return store_->accept(std::move(own));
          own->end = AcceptEnd::failed;
          own->error = error;
          own->done(*own);
        };
  });
}

void Queue::remove_parts(const Submission& submission) {
  if (!submission.message.info.in_file) return;
  for (const NewMessage& part : submission.parts) remove_file(part.info.id);
}

void Queue::accepted(Submission submission, WallTime due,
                     std::chrono::steady_clock::time_point began) {
  std::size_t recipients = submission.message.recipients.size();
  for (const NewMessage& part : submission.parts) recipients += part.recipients.size();
  metrics_.accepted(recipients, std::chrono::duration_cast<std::chrono::microseconds>(
                                    std::chrono::steady_clock::now() - began));
  for (NewMessage& part : submission.parts)
    if (!part.info.in_file) part.content = submission.message.content;
  for (const NoticeOrder& order : submission.notices) metrics_.notice(order.request.action);
  committed(std::move(submission.message), due);
  for (NewMessage& part : submission.parts) committed(std::move(part), due);
  for (NewMessage& notice : submission.written) committed(std::move(notice), due);
}

void Queue::committed(NewMessage message, WallTime due) {
  count(message);
  ids_.pass(message.info.id, wall_now());
  {
    log::Line line(log::Level::info, "queued");
    line.kv("id", message.info.id.text())
        .kv("from", message.info.envelope.reverse_path.text())
        .kv("size", message.info.size)
        .kv("recipients", message.recipients.size())
        .kv("class", name_of(message.info.traffic_class));
    if (message.uid) line.kv("uid", *message.uid);
    if (message.part_of.value != 0) line.kv("part_of", message.part_of.text());
  }
  recorder_->arrived(message);
  if (!message.held_for.empty()) return recorder_->held(message, wall_now());
  if (finishing_) return;
  offer_compact(message, due);
  hooks_.on_work();
}

void Queue::count(NewMessage& message) {
  queue_counts_.added_message();
  QueueState state = message.held_for.empty() ? QueueState::queued : QueueState::held;
  const NewRecipient* last = nullptr;
  for (NewRecipient& r : message.recipients) {
    bool same = last != nullptr && last->destination == r.destination;
    r.count_key = same ? last->count_key
                       : queue_counts_.count_key(r.destination, message.info.traffic_class, state);
    queue_counts_.added(r.count_key);
    last = &r;
  }
}

// Straight from the commit to the scheduler, without reading it back.
void Queue::offer_compact(NewMessage& message, WallTime due) {
  WallTime now = wall_now();
  std::vector<std::uint32_t> order(message.recipients.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::vector<std::uint32_t> decided = take_decided(message, now);
  std::erase_if(order, [&](std::uint32_t i) {
    return std::find(decided.begin(), decided.end(), i) != decided.end();
  });
  // Recipients of one destination side by side, in their own order.
  if (order.size() > 1)
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return message.recipients[a].destination < message.recipients[b].destination;
    });
  const Marks marks = marks_of(message.info.envelope.reverse_path);
  std::size_t start = 0;
  std::size_t run_end = 0;  // of the recipients that share a destination
  std::size_t run = 0;      // their number
  std::vector<std::pair<std::string, std::uint32_t>> refused;  // destination, recipients
  while (start < order.size()) {
    const std::string& key = message.recipients[order[start]].destination;
    if (start == run_end) {
      while (run_end < order.size() && message.recipients[order[run_end]].destination == key)
        ++run_end;
      run = run_end - start;
    }
    Routed routed = route(message.recipients[order[start]].recipient.address,
                          message.info.envelope.reverse_path);
    std::size_t end = start + 1;
    while (end < order.size() && end - start < routed.settings->recipients &&
           message.recipients[order[end]].destination == key &&
           (held_domains_.empty() || route(message.recipients[order[end]].recipient.address,
                                           message.info.envelope.reverse_path)
                                             .key == routed.key))
      ++end;
    DestinationId id = destination(routed);
    Job job{message.info.id, message.info.traffic_class, milestone_of(message.info, false), {}};
    job.remaining = static_cast<std::uint32_t>(run);
    for (std::size_t i = start; i < end; ++i) job.recipients.push_back(order[i]);
    job.marks = marks;
    if (end - start == 1)
      job.marks.recipient = mark_of(message.recipients[order[start]].recipient.address);
    scheduler_.pin(id, static_cast<std::uint32_t>(end - start));
    if (!working_.has_room() || !scheduler_.offer(id, job, Scheduler::Source::fresh, now)) {
      // As what it is stored; a reload or a suspension may have come between.
      scheduler_.due_at(routed.key == key ? id : destination_named(key), due, now);
      scheduler_.unpin(id, static_cast<std::uint32_t>(end - start), now);
      auto waiting = static_cast<std::uint32_t>(end - start);
      if (!refused.empty() && refused.back().first == key)
        refused.back().second += waiting;
      else
        refused.emplace_back(key, waiting);
      start = end;
      continue;
    }
    WorkingMessage& working = working_.get(message.info);
    working.packed = message.packed;
    if (!message.content.empty()) working_.keep_content(working, std::move(message.content));
    for (std::size_t i = start; i < end; ++i) {
      WorkingRecipient r;
      r.index = order[i];
      r.recipient = std::move(message.recipients[order[i]].recipient);
      r.destination = id;
      r.count_key = message.recipients[order[i]].count_key;
      working_.add(working, std::move(r));
    }
    start = end;
  }
  if (!decided.empty()) settle_decided(message.info.id, decided);
  if (!message.packed) return;
  std::vector<std::string> homeless;
  for (auto& [key, recipients] : refused)
    if (!backlog_.add(key, {message.info.id, recipients})) homeless.push_back(std::move(key));
  if (!homeless.empty()) normalise(message.info.id, std::move(homeless), due);
}

void Queue::normalise(mail::QueueId id, std::vector<std::string> destinations, WallTime due) {
  if (WorkingMessage* message = working_.find(id)) message->packed = false;
  auto request = std::make_unique<SettleRequest>();
  request->settlement.id = id;
  request->settlement.unpack = wall_now();  // a clock that was set back must not keep it waiting
  request->urgent = true;
  request->done = [this, due, destinations = std::move(destinations)](SettleRequest& r) {
    if (!r.error.empty())
      log::Line(log::Level::error, "not_unpacked")
          .kv("id", r.settlement.id.text())
          .kv("error", r.error);
    if (finishing_) return;
    WallTime now = wall_now();
    for (const std::string& key : destinations) scheduler_.due_at(destination_named(key), due, now);
    hooks_.on_work();
  };
  store_->settle(std::move(request));
}

// --- work from the store ----------------------------------------------------------------------

void Queue::advance() {
  WallTime now = wall_now();
  if (!suspensions_.empty()) end_suspensions(now);
  scheduler_.advance(now);
  store_->set_pressure(scheduler_.moving_jobs(), cpu_pressure_.percent(mono_now()));
  for (Refill& one : scheduler_.take_refills()) refills_waiting_.push_back(std::move(one));
  start_refills();
  milestones_due();
  put_off();
}

// --- reading ----------------------------------------------------------------------------------

void Queue::read_content(mail::QueueId id, bool in_file, std::uint64_t offset, std::size_t length,
                         std::function<void(std::optional<std::string>)> done) {
  // bytes: a Result of the file or of the store.
  auto finish = [id, done](auto bytes) {
    return [id, done, bytes = std::move(bytes)] {
      if (!bytes)
        log::Line(log::Level::error, "content_unreadable")
            .kv("id", id.text())
            .kv("error", bytes.error().text);
      done(bytes ? std::optional<std::string>(*bytes) : std::nullopt);
    };
  };
  if (in_file) {
    worker_->run(id, [files = files_, id, offset, length, finish]() -> ContentWorker::Completion {
      return finish(files.read(id, offset, length));
    });
    return;
  }
  store_->read([id, offset, length, finish, done](QueueStore& store) -> StoreWorker::Completion {
    auto bytes = QueueReader(store).content(id, offset, length);
    if (bytes && !*bytes) return [done] { done(std::nullopt); };
    if (!bytes) return finish(StoreResult<std::string>(bytes.error()));
    return finish(StoreResult<std::string>(std::move(**bytes)));
  });
}

void Queue::open_content(mail::QueueId id, std::uint64_t size,
                         std::function<void(Result<UniqueFd>)> done) {
  worker_->run(id, [files = files_, id, size, done = std::move(done)]() mutable {
    auto file = std::make_shared<Result<UniqueFd>>(files.open(id, size));
    return ContentWorker::Completion([id, file, done = std::move(done)] {
      if (!*file)
        log::Line(log::Level::error, "content_unreadable")
            .kv("id", id.text())
            .kv("error", file->error().text);
      done(std::move(*file));
    });
  });
}

DestinationId Queue::destination(const Routed& routed) {
  DestinationId id = scheduler_.destination(routed.key, scheduler_settings(routed));
  recall_mx_set(id, routed.key);
  keep_held(id, routed.key);
  return id;
}

// A destination of which only the name is known yet; its settings come with the first recipient.
DestinationId Queue::destination_named(const std::string& key) {
  if (auto known = scheduler_.find(key)) return *known;
  Pool pool = pool_named(key);
  DestinationId id = scheduler_.destination(key, {pool, pool == Pool::lmtp, 0, 0, {}});
  keep_held(id, key);
  return id;
}

WallTime Queue::milestone_of(const MessageInfo& info, bool warned) const {
  return next_milestone(lifetimes_of(info), info.arrival.received_at, warned);
}

Lifetimes Queue::lifetimes_of(const MessageInfo& info) const {
  return extended(lifetimes(config_.queue, info.envelope.reverse_path.is_null()),
                  observed_.unobserved_since(info.arrival.received_at));
}

}  // namespace postwain::qmgr
