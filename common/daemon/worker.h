// A thread for work that would hold up the loop. Jobs run one after another, in the order given;
// what a job returns runs on the loop. Bounded: a full queue refuses. The thread begins with the
// first job: a process is to be confined before it has threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/net/loop.h"

namespace postwain::daemon {

class Worker {
 public:
  using Completion = std::function<void()>;

  Worker(net::Loop& loop, std::size_t jobs_max);
  // Jobs that wait are dropped; the one that runs is awaited. No completion runs any more.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False: too many jobs wait already.
  [[nodiscard]] bool run(std::function<Completion()> job);

 private:
  void work();
  void deliver();

  const std::size_t jobs_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<Completion()>> jobs_;
  std::vector<Completion> done_;
  bool stop_ = false;
  net::Wakeup wakeup_;
  std::thread thread_;
};

}  // namespace postwain::daemon
