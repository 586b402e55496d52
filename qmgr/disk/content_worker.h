// Threads for the blocking work with content files, so that neither the loop nor the commits wait
// for it, nor one message's sync for another's. Jobs of one message run one after another, in the
// order given; what a task returns runs on the loop.
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/mail/queue_id.h"
#include "common/net/loop.h"

namespace postwain::qmgr {

class ContentWorker {
 public:
  using Completion = std::function<void()>;
  using Task = std::function<Completion()>;

  explicit ContentWorker(net::Loop& loop);
  ~ContentWorker();  // after the tasks that wait
  ContentWorker(const ContentWorker&) = delete;
  ContentWorker& operator=(const ContentWorker&) = delete;

  void run(mail::QueueId message, Task task);
  // Of no message.
  void run(Task task) { run(mail::QueueId(), std::move(task)); }
  void finish();

 private:
  static constexpr std::size_t kThreads = 4;  // a disk is busy with this many syncs
  struct WorkerThread {
    std::mutex mutex;
    std::condition_variable wake;
    std::vector<Task> tasks;
    bool stop = false;
    std::thread thread;
  };
  void work(WorkerThread& worker);
  void deliver();

  std::array<WorkerThread, kThreads> workers_;
  std::mutex mutex_;
  std::vector<Completion> done_;
  std::unique_ptr<net::Wakeup> wakeup_;
};

}  // namespace postwain::qmgr
