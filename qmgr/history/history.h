// The history as the loop sees it: told in passing, written by a thread of its own into a file of
// its own (history_store.h), asked by `postwain trace`.
//
// Mail never waits for it. What is told goes into a buffer of kHistoryBuffer bytes; when that is
// full because the disk is slower than the mail, events are dropped and counted. Its thread writes
// what has batched once in kHistoryGather. A kill -9 loses that much of it.
//
// Trouble: a damaged file is moved aside and a new one begun; any other trouble drops what was to
// be written and tries again later. It is logged when it comes and when it goes, and once in
// kHistorySaidAgain while it lasts, and status() tells of it; it is never a reason to stop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/refusals.h"
#include "common/net/loop.h"

#include "qmgr/history/history_store.h"

namespace postwain::qmgr {

constexpr std::size_t kHistoryBuffer = 8U << 20;
constexpr Duration kHistoryGather = std::chrono::milliseconds(500);
constexpr Duration kHistoryRetry = std::chrono::seconds(5);  // after trouble with the file
constexpr Duration kHistorySaidAgain = std::chrono::minutes(10);
constexpr Duration kPruneEvery = std::chrono::minutes(1);
constexpr std::size_t kPruneMessages = 500;  // of one step
constexpr std::size_t kTraceLimitMax = 1000;
constexpr std::size_t kTracesWaiting = 100;

struct HistoryStatus {
  bool on = false;
  std::uint64_t dropped = 0;  // events, since the start
  std::size_t waiting = 0;    // bytes
  std::string trouble{};      // why nothing is kept at present; empty: it is
};

class History {
 public:
  using Answer = std::function<void(Result<std::vector<Timeline>>)>;

  // keep: for how long; 0: no history, and the file goes.
  History(net::Loop& loop, std::string path, Duration keep);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // While the disk is short its space is for the queue: what happens meanwhile is not recorded.
  void set_no_space(bool no_space) { no_space_.store(no_space); }
  void configure(Duration keep);
  bool on() const { return on_; }
  // Whoever is to hear all that is kept, too, on the history's thread; null: nobody any more. When
  // the call has returned, who was told before hears nothing.
  using Listener = std::function<void(std::string_view records)>;
  void set_listener(Listener listener);

  void arrived(const NewMessage& message, std::string_view message_id);
  // It was thrown away on a filter's word; not told of a message that is known already.
  void discarded(const NewMessage& message, std::string_view message_id, std::int64_t at,
                 std::string_view why);
  // What filters said of one that has arrived before.
  void judged(mail::QueueId id, std::string_view judgements);
  void happened(const EventRecord& event);
  void refused(const ipc::Refusal& refusal);
  // No event: its recipient is to be known (append_known).
  void known(const EventRecord& recipient);

  // Everything told before is part of the answer. done runs on the loop.
  void find(std::string query, std::size_t limit, Answer done);
  // The same of what receivers refused; address or client may be empty.
  using RefusalsAnswer = std::function<void(Result<std::vector<RefusedAttempt>>)>;
  void find_refusals(std::string address, std::string client, std::size_t limit,
                     RefusalsAnswer done);
  // Writes at once. done runs on the loop when everything told before is written, where a kill -9
  // does not reach it, or cannot be written now and is dropped.
  void flush(std::function<void()> done);
  HistoryStatus status();
  void finish();

 private:
  struct Ask {
    std::string query;
    std::size_t limit;
    Answer done;
    std::string client{};
    RefusalsAnswer refusals_done{};  // set: what was refused is asked for
  };
  using Clock = std::chrono::steady_clock;

  template <class Append>
  void append(Append append);
  void run();
  void serve(std::string records, std::uint64_t count, std::vector<Ask> asks);
  void tell_listener(std::string_view records);
  void write(const std::string& records, std::uint64_t count);
  void answer(std::vector<Ask> asks);
  std::function<void()> answer_refusals(Ask ask);
  void ask(Ask ask, std::function<void(const Error&)> refused);
  void housekeeping();
  bool open_store();
  void trouble(const Error& error);
  void not_kept(const std::string& why);
  void kept();
  void move_aside();
  void remove_files();
  void report_drops();
  void deliver();  // on the loop

  const std::string path_;
  bool on_ = false;  // the loop's
  std::atomic<bool> no_space_{false};
  std::atomic<std::int64_t> keep_ms_{0};
  std::atomic<std::uint64_t> dropped_{0};

  std::mutex listener_mutex_;
  Listener listener_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::string buffer_;
  std::uint64_t buffered_ = 0;  // records in buffer_
  std::vector<Ask> asks_;
  bool idle_ = false;
  bool changed_ = false;  // keep_ms_
  bool stop_ = false;
  std::vector<std::function<void()>> answers_;
  std::string trouble_;  // why nothing is kept

  // The thread's own:
  std::optional<HistoryStore> store_;
  Clock::time_point next_open_{};
  Clock::time_point next_prune_{};
  Clock::time_point next_report_{};
  Clock::time_point said_again_{};  // when the same trouble is worth another line
  std::uint64_t reported_ = 0;

  std::unique_ptr<net::Wakeup> wakeup_;
  std::thread thread_;
};

}  // namespace postwain::qmgr
