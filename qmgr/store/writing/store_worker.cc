#include "qmgr/store/writing/store_worker.h"

#include <algorithm>
#include <iterator>

#include "common/base/check.h"
#include "common/log/log.h"

#include "qmgr/disk/failpoint.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

namespace {

// The beginning of content files, for notices.
ReadContentFile reader_of(ContentFolder files) {
  return [files = std::move(files)](mail::QueueId id, std::size_t max_bytes) {
    Result<std::string> bytes = files.read(id, 0, max_bytes);
    return bytes ? bytes.take() : std::string();
  };
}

// An attempt waits for its name.
bool is_urgent(const Fact& fact) {
  const auto* attempt = std::get_if<AttemptFact>(&fact);
  return attempt != nullptr && std::holds_alternative<NameAttempts>(*attempt);
}

// Nothing was stored, and later it may be: what has happened is kept until then.
bool may_pass(const StoreError& error) {
  return error.kind == StoreError::Kind::full || may_work_later(error);
}

}  // namespace

StoreWorker::StoreWorker(net::Loop& loop, std::unique_ptr<QueueStore> store, ContentFolder files,
                         Events events, Duration full_retry)
    : loop_(loop),
      store_(std::move(store)),
      transfers_(store_->pieces() ? store_->pieces()->transfers() : nullptr),
      writer_(*store_, reader_of(std::move(files))),
      events_(std::move(events)),
      full_retry_(full_retry),
      wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })),
      thread_([this] { run(); }) {}

// A store that is waited for is away, for the time being: nobody is to rely on it.
void StoreWorker::silence() {
  if (std::exchange(silent_, true) || is_stopped()) return;
  log::Line(log::Level::warning, "store_silent").kv("after", "1s");
  complete({[this] { events_.on_trouble(StoreTrouble::away); }});
}

// It has answered, well or badly; trouble that came of it is told by itself.
void StoreWorker::end_of_silence() {
  if (!std::exchange(silent_, false) || is_stopped() || broken_) return;
  complete({[this] { events_.on_trouble(StoreTrouble::none); }});
}

StoreWorker::~StoreWorker() {
  finish();
}

void StoreWorker::accept(std::unique_ptr<AcceptRequest> request) {
  std::lock_guard lock(mutex_);
  ++in_flight_;
  waiting_bytes_ += request->submission.message.content.size();
  waiting_.accepts.push_back(std::move(request));
  bool joins =
      sleep_ == Sleep::pausing ||
      (sleep_ == Sleep::gathering && !gathered_enough(waiting_.accepts.size(), past_data_.load()));
  bool hold = joins && waiting_.accepts.size() < kBatchMessages;
  if (sleep_ != Sleep::none && !hold) wake_.notify_one();
}

void StoreWorker::settle(std::unique_ptr<SettleRequest> request) {
  std::lock_guard lock(mutex_);
  bool now = request->urgent;
  if (waiting_.settles.empty() && waiting_.facts.empty()) first_ride_ = Clock::now();
  if (now) ++urgent_;
  waiting_.settles.push_back(std::move(request));
  bool many = waiting_.settles.size() >= kBatchSettlements / 2;
  bool soon = sleep_ == Sleep::riding || sleep_ == Sleep::pausing;
  if (sleep_ == Sleep::idle || (soon && (now || many))) wake_.notify_one();
}

void StoreWorker::write(Fact fact, std::function<void()> done) {
  std::lock_guard lock(mutex_);
  if (waiting_.settles.empty() && waiting_.facts.empty()) first_ride_ = Clock::now();
  bool now = is_urgent(fact);
  if (now) ++urgent_;
  waiting_.facts.push_back({std::move(fact), std::move(done)});
  bool soon = sleep_ == Sleep::riding || sleep_ == Sleep::pausing;
  if (sleep_ == Sleep::idle || (soon && now)) wake_.notify_one();
}

void StoreWorker::read(std::function<Completion(QueueStore&)> work) {
  read_when_there([work = std::move(work)](QueueStore& store) -> StoreResult<Completion> {
    return work(store);
  });
}

void StoreWorker::read_when_there(Attempt work) {
  std::lock_guard lock(mutex_);
  reads_.push_back(std::move(work));
  if (sleep_ != Sleep::none && sleep_ != Sleep::gathering) wake_.notify_one();
}

void StoreWorker::retry_soon() {
  std::lock_guard lock(mutex_);
  retry_soon_ = true;
  if (sleep_ == Sleep::idle) wake_.notify_one();
}

Duration StoreWorker::retry_pause() const {
  return trouble_ == StoreTrouble::full ? full_retry_ : kAwayRetry;
}

bool StoreWorker::retry_is_due() const {
  return retry_soon_.load() || Clock::now() >= next_retry_;
}

void StoreWorker::finish() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_one();
  }
  thread_.join();
  deliver();
  wakeup_.reset();
}

void StoreWorker::run() {
  store_->on_silence([this] { silence(); });
  std::unique_lock lock(mutex_);
  while (wait_for_work(lock)) {
    if (accepts_due() && !is_stopped() && !stop_) gather(lock);
    Batch batch = urgent() || stop_ ? take_batch() : Batch();
    auto reads = std::exchange(reads_, {});
    if (reads.size() > kReadsAtOnce) {
      reads_.assign(std::make_move_iterator(reads.begin() + kReadsAtOnce),
                    std::make_move_iterator(reads.end()));
      reads.resize(kReadsAtOnce);
    }
    lock.unlock();
    if (!batch.empty()) work(std::move(batch));
    if (!reads.empty()) run_reads(std::move(reads));
    housekeeping(false);
    end_of_silence();
    lock.lock();
  }
  lock.unlock();
  if (!broken_ && !kept_.empty()) retry_kept();
  // So that other programs, and older ones of ours, find the tables they know.
  if (!broken_ && !is_stopped()) (void)writer_.normalise_all();
  if (!broken_) (void)store_->maintenance().checkpoint(true);
  if (keep_log_file_) store_->maintenance().keep_log_file();
  leave();
}

// The end in good order. Whoever shares the queue takes our part over at once.
void StoreWorker::leave() {
  SharedQueue* shared = store_->shared();
  if (shared == nullptr || broken_ || is_stopped() || !kept_.empty()) return;
  if (StoreStatus left = shared->leave(); !left)
    log::Line(log::Level::warning, "not_left").kv("error", left.error().text);
}

// Something must be done now, not at the end of the ride.
bool StoreWorker::urgent() const {
  if (accepts_due() || urgent_ > 0) return true;
  if (waiting_.settles.size() >= kBatchSettlements / 2) return true;
  if (waiting_.settles.empty() && waiting_.facts.empty()) return false;
  return Clock::now() >= first_ride_ + kRideMax;
}

// They pause between commits while the machine is behind; settlements and reads do not.
bool StoreWorker::accepts_due() const {
  std::size_t waiting = waiting_.accepts.size();
  return waiting >= kBatchMessages || (waiting > 0 && (stop_ || Clock::now() >= accepts_from_));
}

// False: told to stop and nothing left.
bool StoreWorker::wait_for_work(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (urgent() || !reads_.empty()) return true;
    if (stop_) return !waiting_.empty();
    if (is_stopped() && retry_is_due()) return true;
    bool riding = !waiting_.settles.empty() || !waiting_.facts.empty();
    bool pausing = !waiting_.accepts.empty();
    sleep_ = pausing ? Sleep::pausing : riding ? Sleep::riding : Sleep::idle;
    if (pausing) {
      auto ride_end = first_ride_ + kRideMax;
      wake_.wait_until(lock, riding ? std::min(accepts_from_, ride_end) : accepts_from_);
    } else if (riding) {
      wake_.wait_until(lock, first_ride_ + kRideMax);
    } else if (is_stopped()) {
      wake_.wait_until(lock, next_retry_);
    } else if (wal_bytes_.load() > kCheckpointIdleBytes || (look_for_room_ && !broken_)) {
      bool quiet = wake_.wait_for(lock, kIdleCheckpoint) == std::cv_status::timeout;
      sleep_ = Sleep::none;
      if (quiet && waiting_.empty() && reads_.empty()) {
        lock.unlock();
        housekeeping(true);
        lock.lock();
      }
    } else {
      wake_.wait(lock);
    }
    sleep_ = Sleep::none;
  }
}

void StoreWorker::gather(std::unique_lock<std::mutex>& lock) {
  auto deadline = Clock::now() + kGatherMax;
  while (!gathered_enough(waiting_.accepts.size(), past_data_.load()) && !stop_ &&
         waiting_.accepts.size() < kBatchMessages) {
    sleep_ = Sleep::gathering;
    bool late = wake_.wait_until(lock, deadline) == std::cv_status::timeout;
    sleep_ = Sleep::none;
    if (late) return;
  }
}

Batch StoreWorker::take_batch() {
  Batch batch;
  std::size_t bytes = 0;
  std::size_t count = 0;
  bool with_accepts = accepts_due();
  if (with_accepts) accepts_from_ = Clock::now() + commit_pause(pressure());
  while (with_accepts && count < waiting_.accepts.size() && count < kBatchMessages &&
         bytes < kBatchBytes)
    bytes += waiting_.accepts[count++]->submission.message.content.size();
  auto move_some = [](auto& from, auto& to, std::size_t n) {
    if (n == from.size()) {
      to.swap(from);
      return;
    }
    auto end = from.begin() + static_cast<std::ptrdiff_t>(n);
    to.assign(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
    from.erase(from.begin(), end);
  };
  move_some(waiting_.accepts, batch.accepts, count);
  move_some(waiting_.settles, batch.settles, std::min(waiting_.settles.size(), kBatchSettlements));
  move_some(waiting_.facts, batch.facts, waiting_.facts.size());
  for (const auto& settle : batch.settles)
    if (settle->urgent) --urgent_;
  for (const FactRequest& fact : batch.facts)
    if (is_urgent(fact.fact)) --urgent_;
  waiting_bytes_ -= bytes;
  return batch;
}

void StoreWorker::work(Batch batch) {
  look_for_room_ = true;
  if (broken_) return refuse(batch, {StoreError::Kind::broken, "the queue's store failed"});
  if (is_stopped()) {
    keep_for_later(batch);
    return refuse(batch, why_);
  }
  Batch written;
  StoreStatus done = writer_.write(batch, written);
  finish_batch(written);
  if (done) return;
  if (may_pass(done.error())) keep_for_later(batch);
  trouble(done.error());
  refuse(batch, done.error());
}

// Only after the commit: what the requests asked for is on the disk.
void StoreWorker::finish_batch(Batch& batch) {
  if (batch.empty()) return;
  if (!batch.accepts.empty()) (void)failpoint(Failpoint::accept_answer);
  if (!batch.settles.empty()) (void)failpoint(Failpoint::outcome_answer);
  wal_bytes_.store(store_->maintenance().log_bytes());
  std::vector<Completion> completions;
  completions.reserve(batch.size() + 1);
  if (std::chrono::microseconds took = writer_.take_commit_time();
      events_.on_commit && took.count() > 0)
    completions.emplace_back([this, took] { events_.on_commit(took); });
  // The requests go to the loop as plain pointers inside the closures; each closure owns its own.
  for (auto& request : batch.settles)
    completions.emplace_back([r = std::shared_ptr<SettleRequest>(std::move(request))] {
      if (r->done) r->done(*r);
    });
  for (auto& request : batch.accepts)
    completions.emplace_back([this, r = std::shared_ptr<AcceptRequest>(std::move(request))] {
      --in_flight_;
      r->done(*r);
    });
  for (FactRequest& request : batch.facts)
    if (request.done) completions.emplace_back(std::move(request.done));
  complete(std::move(completions));
}

void StoreWorker::refuse(Batch& batch, const StoreError& error) {
  AcceptEnd end = may_pass(error) ? AcceptEnd::failed : AcceptEnd::unknown;
  if (error.kind == StoreError::Kind::full) end = AcceptEnd::full;
  for (auto& request : batch.accepts) {
    request->end = end;
    request->error = error.text;
  }
  // Settlements of a broken store get no answer: the process ends, and the recipients are still in
  // the queue.
  batch.settles.clear();
  batch.facts.clear();
  finish_batch(batch);
}

void StoreWorker::keep_for_later(Batch& batch) {
  for (auto& settle : batch.settles) {
    settle->settled = {};
    settle->error.clear();
    kept_.settles.push_back(std::move(settle));
  }
  for (FactRequest& fact : batch.facts) kept_.facts.push_back(std::move(fact));
  unrecorded_ = kept_.settles.size();
  batch.settles.clear();
  batch.facts.clear();
}

// What only takes away: no row, no notice, nothing that makes the database larger.
Batch StoreWorker::take_shrinking() {
  auto only_removes = [](const std::unique_ptr<SettleRequest>& request) {
    const Settlement& s = request->settlement;
    return s.notices.empty() && !s.normalise_due &&
           std::all_of(s.changes.begin(), s.changes.end(), [](const RecipientChange& change) {
             return change.kind == ChangeKind::remove;
           });
  };
  Batch batch;
  auto first = std::stable_partition(kept_.settles.begin(), kept_.settles.end(),
                                     [&](const auto& one) { return !only_removes(one); });
  batch.settles.assign(std::make_move_iterator(first),
                       std::make_move_iterator(kept_.settles.end()));
  kept_.settles.erase(first, kept_.settles.end());
  return batch;
}

// What could be written is answered; the rest is kept.
StoreStatus StoreWorker::write_kept(Batch batch) {
  Batch written;
  StoreStatus done = writer_.write(batch, written);
  finish_batch(written);
  keep_for_later(batch);
  return done;
}

// Piece by piece, each into the room that the one before it had in the log: where there is little
// room, a large queue must not need a large log.
StoreStatus StoreWorker::write_all_kept() {
  Batch all = std::exchange(kept_, {});
  StoreStatus done;
  for (std::size_t next = 0; done && next < all.settles.size();) {
    Batch some;
    for (; next < all.settles.size() && some.settles.size() < kKeptAtOnce; ++next)
      some.settles.push_back(std::move(all.settles[next]));
    done = write_kept(std::move(some));
    if (done && store_->maintenance().log_bytes() > kCheckpointIdleBytes)
      done = store_->maintenance().checkpoint(false);
  }
  std::erase(all.settles, nullptr);
  if (done) return write_kept(std::move(all));
  keep_for_later(all);
  return done;
}

StoreStatus StoreWorker::prove_writable() {
  StoreStatus done = store_->begin();
  if (done) done = store_->maintenance().prove_writable();
  if (done) done = store_->commit();
  if (!done) store_->roll_back();
  return done;
}

// Tries to write what was kept.
void StoreWorker::retry_kept() {
  retry_soon_ = false;
  next_retry_ = Clock::now() + retry_pause();
  std::size_t waited = kept_.settles.size();
  StoreStatus done = write_kept(take_shrinking());
  if (done) done = write_all_kept();
  if (done) done = prove_writable();
  if (done) {
    trouble_ = StoreTrouble::none;
    ask_again();
    log::Line(log::Level::info, "store_recovered").kv("settlements", waited);
    return complete({[this] { events_.on_trouble(StoreTrouble::none); }});
  }
  // Emptying the log into the store may be all that is needed. Its blocks stay its own.
  if (done.error().kind == StoreError::Kind::full) (void)store_->maintenance().checkpoint(false);
  trouble(done.error());
}

void StoreWorker::run_reads(std::vector<Attempt> reads) {
  std::vector<Completion> completions;
  for (Attempt& work : reads) {
    StoreResult<Completion> done = work(*store_);
    if (!done) {
      unanswered_.push_back(std::move(work));
      trouble(done.error());
    } else if (*done) {
      completions.push_back(done.take());
    }
  }
  complete(std::move(completions));
}

void StoreWorker::ask_again() {
  if (unanswered_.empty()) return;
  std::lock_guard lock(mutex_);
  reads_.insert(reads_.begin(), std::make_move_iterator(unanswered_.begin()),
                std::make_move_iterator(unanswered_.end()));
  unanswered_.clear();
}

// Step by step until there is not much free: mail is refused while the disk has no room, and then
// nothing else would come that gives the room back. What fails is done again. The file gets shorter
// when the log is brought into it, which a few small steps alone would not cause.
StoreStatus StoreWorker::give_room_back() {
  StoreResult<bool> more = store_->maintenance().vacuum_step();
  if (!more) return more.error();
  if (gives_room_back_ && !*more)
    if (StoreStatus s = store_->maintenance().checkpoint(true); !s) return s;
  look_for_room_ = gives_room_back_ = *more;
  return {};
}

void StoreWorker::housekeeping(bool idle) {
  if (broken_) return;
  if (is_stopped()) {
    if (retry_is_due()) retry_kept();
    return;
  }
  Maintenance& upkeep = store_->maintenance();
  std::int64_t log_bytes = upkeep.log_bytes();
  StoreStatus done;
  if (log_bytes > kCheckpointTruncateBytes)
    done = upkeep.checkpoint(true);
  else if (log_bytes > kCheckpointBytes || (idle && log_bytes > kCheckpointIdleBytes))
    done = upkeep.checkpoint(false);
  if (done && idle) done = give_room_back();
  if (!done) trouble(done.error());
  wal_bytes_.store(upkeep.log_bytes());
}

void StoreWorker::trouble(const StoreError& error) {
  if (may_pass(error)) {
    bool is_full = error.kind == StoreError::Kind::full;
    StoreTrouble now = is_full ? StoreTrouble::full : StoreTrouble::away;
    if (trouble_ == now && why_.text == error.text) return;
    bool is_told = trouble_ == now;
    trouble_ = now;
    why_ = error;
    if (!is_told) next_retry_ = Clock::now() + retry_pause();
    log::Line(log::Level::error, is_full ? "store_full" : "store_away").kv("error", error.text);
    if (is_told) return;
    return complete({[this, now] { events_.on_trouble(now); }});
  }
  if (broken_) return;
  broken_ = true;
  log::Line(log::Level::error, "store_broken")
      .kv("kind", name_of(error.kind))
      .kv("error", error.text);
  complete({[this, error] { events_.on_broken(error); }});
}

void StoreWorker::complete(std::vector<Completion> completions) {
  if (completions.empty()) return;
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = done_.empty();
    if (first)
      done_ = std::move(completions);
    else
      for (Completion& one : completions) done_.push_back(std::move(one));
  }
  if (first) wakeup_->notify();
}

void StoreWorker::deliver() {
  std::vector<Completion> completions;
  {
    std::lock_guard lock(mutex_);
    completions.swap(done_);
  }
  for (Completion& one : completions) one();
}

Pressure StoreWorker::pressure() const {
  return {ready_.load(), past_data_.load(), cpu_pressure_.load()};
}

}  // namespace postwain::qmgr
