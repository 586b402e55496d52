#include "qmgr/content_worker.h"

#include <utility>

namespace postwain::qmgr {

ContentWorker::ContentWorker(net::Loop& loop)
    : wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })),
      thread_([this] { work(); }) {}

ContentWorker::~ContentWorker() {
  finish();
}

void ContentWorker::run(std::function<Completion()> job) {
  std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  wake_.notify_one();
}

void ContentWorker::finish() {
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

void ContentWorker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto jobs = std::exchange(jobs_, {});
    lock.unlock();
    for (auto& job : jobs) {
      Completion done = job();
      job = nullptr;  // releases what it holds on this thread
      if (!done) continue;
      std::lock_guard guard(mutex_);
      done_.push_back(std::move(done));
      if (done_.size() == 1) wakeup_->notify();
    }
    lock.lock();
  }
}

void ContentWorker::deliver() {
  std::vector<Completion> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (Completion& one : done) one();
}

}  // namespace postwain::qmgr
