#include "qmgr/disk/content_worker.h"

#include <utility>

namespace postwain::qmgr {

ContentWorker::ContentWorker(net::Loop& loop)
    : wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })) {
  for (WorkerThread& worker : workers_)
    worker.thread = std::thread([this, &worker] { work(worker); });
}

ContentWorker::~ContentWorker() {
  finish();
}

void ContentWorker::run(mail::QueueId message, Task task) {
  WorkerThread& worker = workers_[(std::hash<mail::QueueId>{}(message) >> 32) % kThreads];
  std::lock_guard lock(worker.mutex);
  worker.tasks.push_back(std::move(task));
  worker.wake.notify_one();
}

void ContentWorker::finish() {
  if (!wakeup_) return;
  for (WorkerThread& worker : workers_) {
    std::lock_guard lock(worker.mutex);
    worker.stop = true;
    worker.wake.notify_one();
  }
  for (WorkerThread& worker : workers_) worker.thread.join();
  deliver();
  wakeup_.reset();
}

void ContentWorker::work(WorkerThread& worker) {
  std::unique_lock lock(worker.mutex);
  for (;;) {
    worker.wake.wait(lock, [&worker] { return worker.stop || !worker.tasks.empty(); });
    if (worker.tasks.empty()) return;
    auto tasks = std::exchange(worker.tasks, {});
    lock.unlock();
    for (Task& task : tasks) {
      Completion done = task();
      task = nullptr;  // releases what it holds on this thread
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
