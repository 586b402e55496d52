// Writes what the history hears into the database, for the other nodes (history_block.h).
//
// Mail never waits for it, and neither does the history. What comes while the database is slow or
// away waits in a buffer of kSharedBuffer octets; beyond that it is dropped, which is told once in
// kSharedSaidAgain. What nodes have to tell each other otherwise goes the same way in between: a
// job of the keeper's writes a few blocks only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/time.h"
#include "common/net/loop.h"

#include "qmgr/history/block_series.h"
#include "qmgr/store/keeper_service.h"

namespace postwain::qmgr {

constexpr std::size_t kSharedBuffer = 8U << 20;
constexpr Duration kShareEvery = std::chrono::seconds(2);
constexpr Duration kSharedSweepEvery = std::chrono::minutes(1);
constexpr Duration kSharedSaidAgain = std::chrono::minutes(10);
// Of what receivers refused, in one go: whoever knocks often does not push out what became of mail.
constexpr std::size_t kSharedRefusals = 32U << 10;

class BlockWriter {
 public:
  // name: of this node. keep: for how long; 0: nothing is told, and what was told goes.
  BlockWriter(net::Loop& loop, KeeperService& keeper, std::string name, Duration keep);
  ~BlockWriter();
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  void configure(Duration keep) { keep_ = keep; }
  // From any thread.
  void add(std::string_view records) { state_->add(records); }
  // Writes at once. done runs on the loop when it was tried, or when this goes.
  void flush(std::function<void()> done);
  // Octets of records, since this was made, that the other nodes will never read: they came while
  // the buffer was full, or the database took them not.
  std::uint64_t dropped() const { return dropped_in_all_; }

 private:
  // What the threads share.
  class State {
   public:
    void add(std::string_view records);
    std::string take();
    std::uint64_t take_dropped();

   private:
    std::mutex mutex_;
    std::string buffer_;
    std::uint64_t dropped_ = 0;  // octets
  };
  // The keeper's own: used in its jobs, one at a time.
  struct Work {
    explicit Work(std::string own_name) : name(std::move(own_name)) {}
    std::string name;
    bool restored = false;
    BlockSeries series;
    std::string records;
    std::size_t written = 0;  // of them
  };
  struct Round {
    StoreStatus status;
    bool more = false;
    std::uint64_t lost = 0;  // octets that no block has room for, or that were refused
  };
  static Round write_some(HistoryBlockTable& table, State& state, Work& work);
  static StoreStatus restore(HistoryBlockTable& table, Work& work);
  static StoreStatus write_piece(HistoryBlockTable& table, Work& work, std::string_view piece,
                                 std::uint64_t& lost);
  static StoreStatus sweep(HistoryBlockTable& table, Work& work, std::int64_t before);
  void write();
  void wrote(const Round& round);
  void look_at_sweep();
  void tell(const StoreStatus& status, std::uint64_t dropped);

  KeeperService& keeper_;
  Duration keep_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  std::shared_ptr<Work> work_;
  std::shared_ptr<char> here_ = std::make_shared<char>();
  bool writing_ = false;
  bool again_ = false;  // somebody waits for what has come meanwhile
  std::function<void()> flushed_;
  MonoTime sweep_at_;
  std::uint64_t dropped_ = 0;  // octets that nobody has been told of
  std::uint64_t dropped_in_all_ = 0;
  bool in_trouble_ = false;
  MonoTime said_again_{};
  net::Timer timer_;
};

}  // namespace postwain::qmgr
