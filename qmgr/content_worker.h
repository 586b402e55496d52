// A thread for the blocking work with content files, so that neither the loop nor the commits wait
// for it. Jobs run one after another, in the order given; what a job returns runs on the loop.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/net/loop.h"

namespace postwain::qmgr {

class ContentWorker {
 public:
  using Completion = std::function<void()>;

  explicit ContentWorker(net::Loop& loop);
  ~ContentWorker();  // after the jobs that wait
  ContentWorker(const ContentWorker&) = delete;
  ContentWorker& operator=(const ContentWorker&) = delete;

  void run(std::function<Completion()> job);
  void finish();

 private:
  void work();
  void deliver();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<Completion()>> jobs_;
  std::vector<Completion> done_;
  bool stop_ = false;
  std::unique_ptr<net::Wakeup> wakeup_;
  std::thread thread_;
};

}  // namespace postwain::qmgr
