#include "qmgr/store/postgres/keeper/pg_keeper.h"

#include <utility>

namespace postwain::qmgr {

PgKeeper::PgKeeper(net::Loop& loop, PgOptions options, const SharedQueue::Self& self)
    : session_(std::move(options), self),
      wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })),
      thread_([this] { run(); }) {}

PgKeeper::~PgKeeper() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void PgKeeper::post(Job job) {
  std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  wake_.notify_one();
}

void PgKeeper::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Completion done = job(*this);
    job = nullptr;
    lock.lock();
    done_.push_back(std::move(done));
    wakeup_->notify();
  }
}

void PgKeeper::deliver() {
  std::vector<Completion> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (Completion& one : done)
    if (one) one();
}

}  // namespace postwain::qmgr
