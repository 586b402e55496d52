#include "common/daemon/worker.h"

namespace postwain::daemon {

Worker::Worker(net::Loop& loop, std::size_t jobs_max, std::size_t threads)
    : jobs_max_(jobs_max), threads_max_(threads), wakeup_(loop, [this] { deliver(); }) {}

Worker::~Worker() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    jobs_.clear();
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

bool Worker::run(std::function<Completion()> job) {
  std::lock_guard lock(mutex_);
  if (jobs_.size() >= jobs_max_) return false;
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_ && threads_.size() < threads_max_)
    threads_.emplace_back([this] { work(); });
  wake_.notify_one();
  return true;
}

void Worker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    --idle_;
    if (stop_) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Completion done = job();
    job = nullptr;  // releases what it holds on this thread
    lock.lock();
    if (!done || stop_) continue;
    done_.push_back(std::move(done));
    if (done_.size() == 1) wakeup_.notify();
  }
}

void Worker::deliver() {
  std::vector<Completion> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (Completion& one : done) one();
}

}  // namespace postwain::daemon
