#include "qmgr/history/history.h"

#include <cerrno>
#include <cstdio>

#include <unistd.h>

#include "common/log/log.h"

namespace postwain::qmgr {

History::History(net::Loop& loop, std::string path, Duration keep)
    : path_(std::move(path)),
      on_(keep.count() > 0),
      keep_ms_(keep.count()),
      wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })),
      thread_([this] { run(); }) {}

History::~History() {
  finish();
}

void History::configure(Duration keep) {
  on_ = keep.count() > 0;
  std::lock_guard lock(mutex_);
  keep_ms_.store(keep.count());
  changed_ = true;
  wake_.notify_one();
}

void History::set_listener(Listener listener) {
  std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
}

void History::tell_listener(std::string_view records) {
  if (records.empty()) return;
  std::lock_guard lock(listener_mutex_);
  if (listener_) listener_(records);
}

template <class Append>
void History::append(Append append) {
  if (!on_) return;
  std::lock_guard lock(mutex_);
  if (buffer_.size() >= kHistoryBuffer) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  append(buffer_);
  ++buffered_;
  if (idle_) {
    idle_ = false;
    wake_.notify_one();
  }
}

void History::arrived(const NewMessage& message, std::string_view message_id) {
  append([&](std::string& buffer) { append_record(buffer, message, message_id); });
}

void History::discarded(const NewMessage& message, std::string_view message_id, std::int64_t at,
                        std::string_view why) {
  append([&](std::string& buffer) { append_record(buffer, message, message_id, at, why); });
}

void History::judged(mail::QueueId id, std::string_view judgements) {
  append([&](std::string& buffer) { append_record(buffer, JudgementsRecord{id, judgements}); });
}

void History::happened(const EventRecord& event) {
  append([&](std::string& buffer) { append_record(buffer, event); });
}

void History::known(const EventRecord& recipient) {
  append([&](std::string& buffer) { append_known(buffer, recipient); });
}

void History::refused(const ipc::Refusal& r) {
  RefusalRecord record{r.at,         r.count,     r.client,    r.name,       r.listener,
                       r.sender,     r.recipient, r.stage,     r.reply.code, r.reply.enhanced,
                       r.reply.text, r.reason,    r.judgements};
  append([&](std::string& buffer) { append_record(buffer, record); });
}

void History::flush(std::function<void()> done) {
  if (!thread_.joinable()) return done();
  std::lock_guard lock(mutex_);
  asks_.push_back({{}, 0, [done = std::move(done)](const auto&) { done(); }});
  wake_.notify_one();
}

void History::find(std::string query, std::size_t limit, Answer done) {
  ask({std::move(query), std::min(limit, kTraceLimitMax), done},
      [done](const Error& error) { done(error); });
}

void History::find_refusals(std::string address, std::string client, std::size_t limit,
                            RefusalsAnswer done) {
  ask({std::move(address), std::min(limit, kTraceLimitMax), {}, std::move(client), done},
      [done](const Error& error) { done(error); });
}

void History::ask(Ask ask, std::function<void(const Error&)> refused) {
  if (!thread_.joinable()) return refused(Error{"the history is closed", EAGAIN});
  std::lock_guard lock(mutex_);
  if (!on_ || asks_.size() >= kTracesWaiting) {
    Error error{on_ ? "too many questions at once" : "no history is kept: [queue] history is off",
                on_ ? EAGAIN : 0};
    answers_.push_back([refused = std::move(refused), error] { refused(error); });
    return wakeup_->notify();
  }
  asks_.push_back(std::move(ask));
  wake_.notify_one();
}

HistoryStatus History::status() {
  std::lock_guard lock(mutex_);
  return {on_, dropped_.load(), buffer_.size(), on_ ? trouble_ : std::string()};
}

void History::finish() {
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

// --- on the thread ----------------------------------------------------------------------------

void History::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    auto called = [this] { return stop_ || changed_ || !asks_.empty(); };
    if (buffer_.empty() && !called()) {
      idle_ = true;
      wake_.wait_for(lock, kPruneEvery, [&] { return called() || !idle_; });
      idle_ = false;
    }
    // A question to the history does not wait until more events have batched.
    if (!buffer_.empty()) wake_.wait_for(lock, kHistoryGather, called);
    std::string records;
    records.swap(buffer_);
    auto count = std::exchange(buffered_, 0);
    auto asks = std::exchange(asks_, {});
    changed_ = false;
    bool last = stop_;
    lock.unlock();
    serve(std::move(records), count, std::move(asks));
    if (last) break;
    lock.lock();
  }
  store_.reset();
}

void History::serve(std::string records, std::uint64_t count, std::vector<Ask> asks) {
  tell_listener(records);
  if (keep_ms_.load() == 0) {
    store_.reset();
    remove_files();
    kept();
  } else if (no_space_.load()) {
    not_kept("the disk is full");
    dropped_ += count;
  } else if (open_store()) {
    if (!records.empty()) write(records, count);
    if (store_) housekeeping();
    if (store_) kept();
  } else {
    dropped_ += count;
  }
  report_drops();
  answer(std::move(asks));
}

void History::write(const std::string& records, std::uint64_t count) {
  Status done = store_->write(records, wall_now());
  if (done) return;
  dropped_ += count;
  trouble(done.error());
}

std::function<void()> History::answer_refusals(Ask ask) {
  Result<std::vector<RefusedAttempt>> found = Error{"the history cannot be read now", EAGAIN};
  if (store_) found = store_->find_refusals(ask.query, ask.client, ask.limit);
  if (!found && store_) trouble(found.error());
  auto shared = std::make_shared<Result<std::vector<RefusedAttempt>>>(std::move(found));
  return [done = std::move(ask.refusals_done), shared] { done(std::move(*shared)); };
}

void History::answer(std::vector<Ask> asks) {
  for (Ask& ask : asks) {
    if (ask.refusals_done) {
      std::function<void()> told = answer_refusals(std::move(ask));
      std::lock_guard lock(mutex_);
      answers_.push_back(std::move(told));
      wakeup_->notify();
      continue;
    }
    Result<std::vector<Timeline>> found = Error{"the history cannot be read now", EAGAIN};
    if (store_ && ask.limit > 0) found = store_->find(ask.query, ask.limit);
    if (!found && store_ && ask.limit > 0) trouble(found.error());
    auto shared = std::make_shared<Result<std::vector<Timeline>>>(std::move(found));
    std::lock_guard lock(mutex_);
    answers_.push_back([done = std::move(ask.done), shared] { done(std::move(*shared)); });
    wakeup_->notify();
  }
}

void History::housekeeping() {
  Status done = store_->checkpoint_if_large();
  if (done && Clock::now() >= next_prune_) {
    WallTime before = wall_now() - Duration(keep_ms_.load());
    Result<bool> more = store_->prune(before, kPruneMessages);
    if (!more) done = more.error();
    if (more) done = store_->vacuum_step();
    // While there is more to prune it goes on with the next messages, between the events of the
    // mail.
    next_prune_ = Clock::now() + (more && *more ? Duration(0) : Duration(kPruneEvery));
  }
  if (!done) trouble(done.error());
}

bool History::open_store() {
  if (store_) return true;
  if (Clock::now() < next_open_) return false;
  for (bool again : {true, false}) {
    Result<HistoryStore> store = HistoryStore::open(path_);
    if (store) {
      store_.emplace(store.take());
      return true;
    }
    trouble(store.error());
    // A damaged one has been moved out of the way.
    if (kind_of(store.error()) != StoreError::Kind::damaged || !again) break;
  }
  next_open_ = Clock::now() + kHistoryRetry;
  return false;
}

void History::trouble(const Error& error) {
  store_.reset();
  if (kind_of(error) == StoreError::Kind::damaged) {
    log::Line(log::Level::error, "history_damaged").kv("error", error.text);
    return move_aside();
  }
  next_open_ = Clock::now() + kHistoryRetry;
  not_kept(error.text);
}

void History::not_kept(const std::string& why) {
  bool known = why == trouble_ && Clock::now() < said_again_;  // written by this thread alone
  if (known) return;
  said_again_ = Clock::now() + kHistorySaidAgain;
  {
    std::lock_guard lock(mutex_);
    trouble_ = why;
  }
  log::Line(log::Level::error, "history_trouble").kv("error", why);
}

void History::kept() {
  if (trouble_.empty()) return;
  {
    std::lock_guard lock(mutex_);
    trouble_.clear();
  }
  log::Line(log::Level::info, "history_kept_again");
}

void History::move_aside() {
  std::string aside = path_ + ".damaged-" + std::to_string(to_unix_ms(wall_now()));
  for (const char* part : {"", "-wal", "-shm"})
    (void)std::rename((path_ + part).c_str(), (aside + part).c_str());
  log::Line(log::Level::warning, "history_moved_aside").kv("file", aside);
}

void History::remove_files() {
  bool was_there = ::unlink(path_.c_str()) == 0;
  for (const char* part : {"-wal", "-shm"}) ::unlink((path_ + part).c_str());
  if (was_there) log::Line(log::Level::info, "history_removed").kv("file", path_);
}

void History::report_drops() {
  std::uint64_t dropped = dropped_.load();
  if (dropped == reported_ || Clock::now() < next_report_) return;
  log::Line(log::Level::warning, "history_dropped").kv("events", dropped - reported_);
  reported_ = dropped;
  next_report_ = Clock::now() + kHistoryRetry;
}

void History::deliver() {
  std::vector<std::function<void()>> answers;
  {
    std::lock_guard lock(mutex_);
    answers.swap(answers_);
  }
  for (auto& one : answers) one();
}

}  // namespace postwain::qmgr
