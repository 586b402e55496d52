// The one thread that owns the queue's store, beside the event loop.
//
// Group commit: whatever waits when a transaction begins goes into it (batch_writer.h); nobody is
// answered before the commit has been synced. New messages may gather for a
// moment (group_commit.h). Settlements ride along with the next commit, 50 ms at most. Reads run
// between commits, each bounded.
//
// Trouble: a full disk refuses new messages, keeps the settlements, and is probed every 5 s until
// one commit works. What only takes recipients away goes first, by itself: it needs no room but in
// the log. A store that is away is treated alike, and probed more often; reads that can wait are
// asked again when it is back (read_when_there). Any other failure of the disk or the store ends
// the belief in it: everybody gets a refusal, on_broken is called and the process is to end.
//
// All callbacks run on the loop, in the order in which things happened in the store; one wake-up
// per batch.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/result.h"
#include "common/net/loop.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/store/batch.h"
#include "qmgr/store/group_commit.h"
#include "qmgr/store/queue_store.h"
#include "qmgr/store/store_service.h"
#include "qmgr/store/writing/batch_writer.h"

namespace postwain::qmgr {

constexpr std::size_t kBatchMessages = 256;
constexpr std::size_t kBatchBytes = 8U << 20;
constexpr std::size_t kBatchSettlements = 1024;
constexpr std::size_t kKeptAtOnce = 64;  // of what waited for room
constexpr std::size_t kReadsAtOnce = 32;
constexpr Duration kRideMax = std::chrono::milliseconds(50);
constexpr Duration kFullRetry = std::chrono::seconds(5);
constexpr Duration kAwayRetry = std::chrono::milliseconds(500);
constexpr Duration kIdleCheckpoint = std::chrono::milliseconds(50);

// Bytes of the store's log (Maintenance::log_bytes) at which it is brought into the store.
constexpr std::int64_t kCheckpointIdleBytes = 4LL << 20;       // when nothing waits
constexpr std::int64_t kCheckpointBytes = 16LL << 20;          // after a commit
constexpr std::int64_t kCheckpointTruncateBytes = 64LL << 20;  // wholly

class StoreWorker final : public StoreService {
 public:
  struct Events {
    std::function<void(StoreTrouble)> on_trouble;  // at each change
    std::function<void(const StoreError&)> on_broken;
    // A commit has been synced, and took that long.
    std::function<void(std::chrono::microseconds)> on_commit = nullptr;
  };

  StoreWorker(net::Loop& loop, std::unique_ptr<QueueStore> store, ContentFolder files,
              Events events, Duration full_retry = kFullRetry);
  ~StoreWorker() override;  // finish() if that was not done
  StoreWorker(const StoreWorker&) = delete;
  StoreWorker& operator=(const StoreWorker&) = delete;

  void accept(std::unique_ptr<AcceptRequest> request) override;
  void settle(std::unique_ptr<SettleRequest> request) override;
  using StoreService::write;
  void write(Fact fact, std::function<void()> done) override;
  // work runs on the store's thread.
  void read(std::function<Completion(QueueStore&)> work) override;
  void read_when_there(Attempt work) override;
  std::shared_ptr<PieceTransfers> transfers() const override { return transfers_; }
  void retry_soon() override;
  void set_past_data(std::uint32_t sessions) override { past_data_.store(sessions); }
  void set_pressure(std::size_t ready, unsigned cpu_pressure) override {
    ready_.store(ready);
    cpu_pressure_.store(cpu_pressure);
  }
  std::int64_t wal_bytes() const override { return wal_bytes_.load(); }
  std::size_t waiting() const override { return in_flight_.load(); }
  std::size_t unrecorded() const override { return unrecorded_.load(); }
  void keep_log_file() override { keep_log_file_ = true; }
  // Commits what waits, empties the log into the database, closes; to be called before the loop
  // ends.
  void finish() override;

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  void leave();
  bool wait_for_work(std::unique_lock<std::mutex>& lock);
  bool urgent() const;
  bool accepts_due() const;
  void gather(std::unique_lock<std::mutex>& lock);
  Batch take_batch();
  void work(Batch batch);
  void refuse(Batch& batch, const StoreError& error);
  void keep_for_later(Batch& batch);
  bool retry_is_due() const;
  Duration retry_pause() const;
  bool is_stopped() const { return trouble_ != StoreTrouble::none; }
  void retry_kept();
  StoreStatus write_kept(Batch batch);
  StoreStatus write_all_kept();
  StoreStatus prove_writable();
  Batch take_shrinking();
  void run_reads(std::vector<Attempt> reads);
  void ask_again();
  void housekeeping(bool idle);
  StoreStatus give_room_back();
  void trouble(const StoreError& error);
  void silence();
  void end_of_silence();
  void complete(std::vector<Completion> completions);
  void finish_batch(Batch& batch);
  void deliver();  // on the loop
  Pressure pressure() const;
  void wake_thread(bool always);

  net::Loop& loop_;
  std::unique_ptr<QueueStore> store_;
  std::shared_ptr<PieceTransfers> transfers_;
  BatchWriter writer_;
  Events events_;
  Duration full_retry_;

  std::mutex mutex_;
  std::condition_variable wake_;
  Batch waiting_;
  std::size_t waiting_bytes_ = 0;
  std::size_t urgent_ = 0;  // settlements and facts that do not ride
  std::vector<Attempt> reads_;
  Clock::time_point first_ride_{};
  Clock::time_point accepts_from_{};  // new messages wait until then (group_commit.h)
  enum class Sleep : std::uint8_t { none, idle, riding, pausing, gathering };
  Sleep sleep_ = Sleep::none;
  bool stop_ = false;

  std::vector<Completion> done_;  // guarded by mutex_
  Batch kept_;                    // there is trouble: what must still be written; the thread's own
  std::vector<Attempt> unanswered_;  // reads that found the store away; the thread's own
  bool look_for_room_ = true;        // within the store, once there is nothing else to do
  bool gives_room_back_ = false;     // the last step found some
  bool silent_ = false;              // the store waits for somebody, and that was told
  StoreTrouble trouble_ = StoreTrouble::none;
  StoreError why_{};  // there is trouble
  bool broken_ = false;
  Clock::time_point next_retry_{};

  std::atomic<bool> retry_soon_{false};
  std::atomic<bool> keep_log_file_{false};
  std::atomic<std::uint32_t> past_data_{0};
  std::atomic<std::size_t> ready_{0};
  std::atomic<unsigned> cpu_pressure_{0};
  std::atomic<std::int64_t> wal_bytes_{0};
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<std::size_t> unrecorded_{0};
  std::unique_ptr<net::Wakeup> wakeup_;
  std::thread thread_;
};

}  // namespace postwain::qmgr
