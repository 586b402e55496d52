#include "qmgr/store/sqlite/store_thread.h"

#include <algorithm>
#include <iterator>

#include <sqlite3.h>

#include "common/base/check.h"
#include "common/log/log.h"

#include "qmgr/disk/failpoint.h"

namespace postwain::qmgr {

namespace {

// The value was refused, not the disk: only this request fails.
bool is_own_fault(const Error& error) {
  int code = error.code & 0xFF;
  return code == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG || code == SQLITE_MISMATCH || code == 0;
}

std::string read_start(void* context, mail::QueueId id, std::size_t max_bytes) {
  Result<std::string> bytes = static_cast<ContentFolder*>(context)->read(id, 0, max_bytes);
  return bytes ? bytes.take() : std::string();
}

}  // namespace

StoreThread::StoreThread(net::Loop& loop, Store store, ContentFolder files, Events events,
                         Duration full_retry)
    : loop_(loop),
      store_(std::move(store)),
      files_(std::move(files)),
      events_(std::move(events)),
      full_retry_(full_retry),
      wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })),
      thread_([this] { run(); }) {}

StoreThread::~StoreThread() {
  finish();
}

void StoreThread::accept(std::unique_ptr<AcceptRequest> request) {
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

void StoreThread::settle(std::unique_ptr<SettleRequest> request) {
  std::lock_guard lock(mutex_);
  bool now = request->urgent;
  if (waiting_.settles.empty() && waiting_.writes.empty()) first_ride_ = Clock::now();
  if (now) ++urgent_settles_;
  waiting_.settles.push_back(std::move(request));
  bool many = waiting_.settles.size() >= kBatchSettlements / 2;
  bool soon = sleep_ == Sleep::riding || sleep_ == Sleep::pausing;
  if (sleep_ == Sleep::idle || (soon && (now || many))) wake_.notify_one();
}

void StoreThread::write(std::function<Status(Store&)> work, std::function<void()> done) {
  std::lock_guard lock(mutex_);
  if (waiting_.settles.empty() && waiting_.writes.empty()) first_ride_ = Clock::now();
  waiting_.writes.push_back({std::move(work), std::move(done)});
  if (sleep_ == Sleep::idle) wake_.notify_one();
}

void StoreThread::read(std::function<Completion(Store&)> work) {
  std::lock_guard lock(mutex_);
  reads_.push_back(std::move(work));
  if (sleep_ != Sleep::none && sleep_ != Sleep::gathering) wake_.notify_one();
}

void StoreThread::retry_soon() {
  std::lock_guard lock(mutex_);
  retry_soon_ = true;
  if (sleep_ == Sleep::idle) wake_.notify_one();
}

bool StoreThread::retry_is_due() const {
  return retry_soon_.load() || Clock::now() >= next_retry_;
}

void StoreThread::finish() {
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

void StoreThread::run() {
  std::unique_lock lock(mutex_);
  while (wait_for_work(lock)) {
    if (accepts_due() && !full_ && !stop_) gather(lock);
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
    lock.lock();
  }
  lock.unlock();
  if (!broken_ && !kept_.empty()) retry_when_full();
  // So that other programs, and older ones of ours, find the tables they know.
  if (!broken_ && !full_) (void)store_.normalise_all();
  if (!broken_) (void)store_.checkpoint(Store::Checkpoint::truncate);
  if (keep_log_file_) store_.keep_log_file();
}

// Something must be done now, not at the end of the ride.
bool StoreThread::urgent() const {
  if (accepts_due() || urgent_settles_ > 0) return true;
  if (waiting_.settles.size() >= kBatchSettlements / 2) return true;
  if (waiting_.settles.empty() && waiting_.writes.empty()) return false;
  return Clock::now() >= first_ride_ + kRideMax;
}

// They pause between commits while the machine is behind; settlements and reads do not.
bool StoreThread::accepts_due() const {
  std::size_t waiting = waiting_.accepts.size();
  return waiting >= kBatchMessages || (waiting > 0 && (stop_ || Clock::now() >= accepts_from_));
}

// False: told to stop and nothing left.
bool StoreThread::wait_for_work(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (urgent() || !reads_.empty()) return true;
    if (stop_) return !waiting_.empty();
    if (full_ && retry_is_due()) return true;
    bool riding = !waiting_.settles.empty() || !waiting_.writes.empty();
    bool pausing = !waiting_.accepts.empty();
    sleep_ = pausing ? Sleep::pausing : riding ? Sleep::riding : Sleep::idle;
    if (pausing) {
      auto ride_end = first_ride_ + kRideMax;
      wake_.wait_until(lock, riding ? std::min(accepts_from_, ride_end) : accepts_from_);
    } else if (riding) {
      wake_.wait_until(lock, first_ride_ + kRideMax);
    } else if (full_) {
      wake_.wait_until(lock, next_retry_);
    } else if (wal_bytes_.load() > kCheckpointIdleBytes) {
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

void StoreThread::gather(std::unique_lock<std::mutex>& lock) {
  auto deadline = Clock::now() + kGatherMax;
  while (!gathered_enough(waiting_.accepts.size(), past_data_.load()) && !stop_ &&
         waiting_.accepts.size() < kBatchMessages) {
    sleep_ = Sleep::gathering;
    bool late = wake_.wait_until(lock, deadline) == std::cv_status::timeout;
    sleep_ = Sleep::none;
    if (late) return;
  }
}

StoreThread::Batch StoreThread::take_batch() {
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
  move_some(waiting_.writes, batch.writes, waiting_.writes.size());
  for (const auto& settle : batch.settles)
    if (settle->urgent) --urgent_settles_;
  waiting_bytes_ -= bytes;
  return batch;
}

void StoreThread::work(Batch batch) {
  if (broken_) return refuse(batch, Error{"the queue database failed", SQLITE_IOERR});
  if (full_) {
    Error full{"no space", SQLITE_FULL};
    keep_for_later(batch);
    return refuse(batch, full);
  }
  Status applied = apply(batch);
  if (applied) return finish_batch(batch);
  store_.roll_back();
  if (trouble_of(applied.error()) == DbTrouble::full) keep_for_later(batch);
  trouble(applied.error());
  refuse(batch, applied.error());
}

Status StoreThread::apply(Batch& batch) {
  if (Status s = store_.begin(); !s) return s;
  for (auto& request : batch.settles) {
    Result<Settled> settled = store_.settle(request->settlement, &read_start, &files_);
    if (settled) {
      request->settled = settled.take();
    } else if (is_own_fault(settled.error())) {
      request->error = settled.error().text;
    } else {
      return settled.error();
    }
  }
  for (auto& write : batch.writes)
    if (Status s = write.work(store_); !s && !is_own_fault(s.error())) return s;
  for (auto& request : batch.accepts) {
    Result<Accepted> accepted =
        store_.accept(request->submission, request->due, &read_start, &files_);
    if (!accepted && !is_own_fault(accepted.error())) return accepted.error();
    if (!accepted) {
      request->end = AcceptEnd::failed;
      request->error = accepted.error().text;
      continue;
    }
    switch (*accepted) {
      case Accepted::stored:
        request->end = AcceptEnd::stored;
        break;
      case Accepted::duplicate:
        request->end = AcceptEnd::duplicate;
        break;
      case Accepted::conflict:
        request->end = AcceptEnd::conflict;
        break;
    }
  }
  if (!batch.accepts.empty())
    if (Status s = failpoint(Failpoint::accept_commit); !s) return s;
  if (!batch.settles.empty())
    if (Status s = failpoint(Failpoint::outcome_commit); !s) return s;
  auto began = Clock::now();
  Status committed = store_.commit();
  if (committed)
    commit_took_ = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
  return committed;
}

// Only after the commit: what the requests asked for is on the disk.
void StoreThread::finish_batch(Batch& batch) {
  if (!batch.accepts.empty()) (void)failpoint(Failpoint::accept_answer);
  if (!batch.settles.empty()) (void)failpoint(Failpoint::outcome_answer);
  wal_bytes_.store(store_.wal_bytes());
  std::vector<Completion> completions;
  completions.reserve(batch.accepts.size() + batch.settles.size() + 1);
  if (events_.on_commit && commit_took_.count() > 0)
    completions.emplace_back(
        [this, took = std::exchange(commit_took_, {})] { events_.on_commit(took); });
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
  for (auto& write : batch.writes)
    if (write.done) completions.emplace_back(std::move(write.done));
  complete(std::move(completions));
}

void StoreThread::refuse(Batch& batch, const Error& error) {
  bool full = trouble_of(error) == DbTrouble::full;
  for (auto& request : batch.accepts) {
    request->end = full ? AcceptEnd::full : AcceptEnd::unknown;
    request->error = error.text;
  }
  // Settlements of a broken database get no answer: the process ends, and the recipients are still
  // in the queue.
  batch.settles.clear();
  finish_batch(batch);
}

void StoreThread::keep_for_later(Batch& batch) {
  for (auto& settle : batch.settles) {
    settle->settled = {};
    settle->error.clear();
    kept_.settles.push_back(std::move(settle));
  }
  for (auto& write : batch.writes) kept_.writes.push_back(std::move(write));
  unrecorded_ = kept_.settles.size();
  batch.settles.clear();
  batch.writes.clear();
}

// What only takes away: no row, no notice, nothing that makes the database larger.
StoreThread::Batch StoreThread::take_shrinking() {
  auto only_removes = [](const std::unique_ptr<SettleRequest>& request) {
    const Settlement& s = request->settlement;
    return s.notices.empty() && s.unpack == WallTime{} &&
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

// An empty commit would prove nothing, so the schema number is written once more.
Status StoreThread::write_kept(Batch batch) {
  batch.writes.push_back({[](Store& store) {
                            return store.database().run(
                                "UPDATE schema_info SET oldest_compatible = oldest_compatible");
                          },
                          nullptr});
  Status applied = apply(batch);
  if (applied) {
    finish_batch(batch);
  } else {
    store_.roll_back();
    batch.writes.pop_back();
    keep_for_later(batch);
  }
  unrecorded_ = kept_.settles.size();
  return applied;
}

// Tries to write what was kept.
void StoreThread::retry_when_full() {
  retry_soon_ = false;
  next_retry_ = Clock::now() + full_retry_;
  std::size_t waited = kept_.settles.size();
  Status applied = write_kept(take_shrinking());
  if (applied) applied = write_kept(std::exchange(kept_, {}));
  if (applied) {
    full_ = false;
    log::Line(log::Level::info, "store_recovered").kv("settlements", waited);
    return complete({[this] { events_.on_full(false); }});
  }
  // Emptying the log into the database may be all that is needed. Its blocks stay its own.
  if (trouble_of(applied.error()) == DbTrouble::full)
    (void)store_.checkpoint(Store::Checkpoint::passive);
  else
    trouble(applied.error());
}

void StoreThread::run_reads(std::vector<std::function<Completion(Store&)>> reads) {
  std::vector<Completion> completions;
  for (auto& work : reads)
    if (Completion done = work(store_)) completions.push_back(std::move(done));
  complete(std::move(completions));
}

void StoreThread::housekeeping(bool idle) {
  if (broken_) return;
  if (full_) {
    if (retry_is_due()) retry_when_full();
    return;
  }
  std::int64_t wal = store_.wal_bytes();
  Status done;
  if (wal > kCheckpointTruncateBytes)
    done = store_.checkpoint(Store::Checkpoint::truncate);
  else if (wal > kCheckpointBytes || (idle && wal > kCheckpointIdleBytes))
    done = store_.checkpoint(Store::Checkpoint::passive);
  if (done && idle) done = store_.vacuum_step();
  if (!done) trouble(done.error());
  wal_bytes_.store(store_.wal_bytes());
}

void StoreThread::trouble(const Error& error) {
  if (trouble_of(error) == DbTrouble::full) {
    if (full_) return;
    full_ = true;
    next_retry_ = Clock::now() + full_retry_;
    log::Line(log::Level::error, "store_full").kv("error", error.text);
    return complete({[this] { events_.on_full(true); }});
  }
  if (broken_) return;
  broken_ = true;
  log::Line(log::Level::error, "store_broken").kv("error", error.text).kv("code", error.code);
  complete({[this, error] { events_.on_broken(error); }});
}

void StoreThread::complete(std::vector<Completion> completions) {
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

void StoreThread::deliver() {
  std::vector<Completion> completions;
  {
    std::lock_guard lock(mutex_);
    completions.swap(done_);
  }
  for (Completion& one : completions) one();
}

Pressure StoreThread::pressure() const {
  return {ready_.load(), past_data_.load(), cpu_pressure_.load()};
}

}  // namespace postwain::qmgr
