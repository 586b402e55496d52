// The heartbeat on PostgreSQL (qmgr/store/beat_service.h).
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/net/loop.h"

#include "qmgr/store/beat_service.h"
#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/postgres/session/pg_options.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

class PgBeats final : public BeatService {
 public:
  // options: those that the store was opened with.
  PgBeats(net::Loop& loop, PgOptions options, const SharedQueue::Self& self);
  ~PgBeats() override;
  PgBeats(const PgBeats&) = delete;
  PgBeats& operator=(const PgBeats&) = delete;

  void send(BeatOrder order, OnAnswer done) override;

 private:
  void run();
  void deliver();  // on the loop
  std::vector<PgCommand> flight(const BeatOrder& order) const;
  BeatAnswer beat(const BeatOrder& order);
  // asked: when the beat was sent.
  BeatAnswer read(const PgAnswers& answers, WallTime asked) const;

  PgOptions options_;
  SharedQueue::Self self_;
  std::unique_ptr<PgConnection> connection_;  // the thread's own
  OnAnswer done_;                             // the loop's own

  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<BeatOrder> order_;
  std::optional<BeatAnswer> answer_;
  bool stop_ = false;
  std::unique_ptr<net::Wakeup> wakeup_;
  std::thread thread_;
};

}  // namespace postwain::qmgr
