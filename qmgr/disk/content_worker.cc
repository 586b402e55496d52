#include "qmgr/disk/content_worker.h"

#include <utility>

namespace postwain::qmgr {

ContentWorker::ContentWorker(net::Loop& loop)
    : wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })) {
  for (Lane& lane : lanes_) lane.thread = std::thread([this, &lane] { work(lane); });
}

ContentWorker::~ContentWorker() {
  finish();
}

void ContentWorker::run(mail::QueueId message, Job job) {
  Lane& lane = lanes_[(std::hash<mail::QueueId>{}(message) >> 32) % kThreads];
  std::lock_guard lock(lane.mutex);
  lane.jobs.push_back(std::move(job));
  lane.wake.notify_one();
}

void ContentWorker::finish() {
  if (!wakeup_) return;
  for (Lane& lane : lanes_) {
    std::lock_guard lock(lane.mutex);
    lane.stop = true;
    lane.wake.notify_one();
  }
  for (Lane& lane : lanes_) lane.thread.join();
  deliver();
  wakeup_.reset();
}

void ContentWorker::work(Lane& lane) {
  std::unique_lock lock(lane.mutex);
  for (;;) {
    lane.wake.wait(lock, [&lane] { return lane.stop || !lane.jobs.empty(); });
    if (lane.jobs.empty()) return;
    auto jobs = std::exchange(lane.jobs, {});
    lock.unlock();
    for (Job& job : jobs) {
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
