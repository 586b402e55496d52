// Threads for work that would hold up the loop. Jobs begin one after another, in the order given;
// what a job returns runs on the loop. Bounded: a full queue refuses. Threads begin with the first
// jobs: a process is to be confined before it has threads.
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

  // With one thread, a job begins when the one before it has ended.
  Worker(net::Loop& loop, std::size_t jobs_max, std::size_t threads = 1);
  // Jobs that wait are dropped; those that run are awaited. No completion runs any more.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False: too many jobs wait already.
  [[nodiscard]] bool run(std::function<Completion()> job);

 private:
  void work();
  void deliver();

  const std::size_t jobs_max_;
  const std::size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<Completion()>> jobs_;
  std::vector<Completion> done_;
  std::size_t idle_ = 0;  // threads that wait for a job
  bool stop_ = false;
  net::Wakeup wakeup_;
  std::vector<std::thread> threads_;
};

}  // namespace postwain::daemon
