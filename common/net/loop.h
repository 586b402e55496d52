// The event loop, and the rule of libuv lifetimes hidden once: an owner (Timer, Stream, Listener …)
// is move-only; destroying it silences its callbacks at once, the libuv handle behind it frees
// itself after its close callback.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/time.h"

struct uv_loop_s;

namespace postwain::net {

class Loop {
 public:
  Loop();
  // All owners on this loop must be gone; runs their close callbacks. A handle still alive is a bug
  // (PW_CHECK).
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();  // until stop() or until nothing is left to wait for
  void stop();
  // Runs fn once at the end of the current turn, before the loop waits again: where batched output
  // leaves. Safe from any callback on this loop. A key that is already waiting is not added twice.
  void at_turn_end(const void* key, std::function<void()> fn);
  void forget_turn_end(const void* key);
  // Runs fn when the loop is destroyed: for connections without owner that still flush
  // (Stream::close_after_flush).
  void at_close(const void* key, std::function<void()> fn);
  void forget_close(const void* key);
  MonoTime now() const;  // cached once per turn
  uv_loop_s* raw() { return loop_.get(); }
  // The block reads go into; a reader consumes it before it returns.
  char* read_block() { return read_block_.data(); }
  static constexpr std::size_t kReadBlock = 256U << 10;

 private:
  void run_turn_end();
  struct Task {
    const void* key;
    std::function<void()> fn;
  };
  std::unique_ptr<uv_loop_s> loop_;
  struct Hooks;
  Hooks* hooks_;
  std::vector<Task> turn_end_;  // in order of arrival; a null key is a forgotten one
  std::vector<Task> running_;   // those of the round that runs now
  std::unordered_set<const void*> waiting_;
  std::unordered_map<const void*, std::function<void()>> at_close_;
  std::vector<char> read_block_;
};

// One-shot or repeating timer. Setting it again replaces what was set. The callback may destroy the
// timer.
class Timer {
 public:
  explicit Timer(Loop& loop);
  ~Timer();
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;

  void start(Duration after, std::function<void()> fn);
  void repeat(Duration every, std::function<void()> fn);
  void stop();
  bool active() const;

 private:
  struct Core;
  Core* core_;
};

// Wakes the loop from another thread: the only thread-safe thing here. fn runs on the loop.
class Wakeup {
 public:
  Wakeup(Loop& loop, std::function<void()> fn);
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  void notify();

 private:
  struct Core;
  Core* core_;
};

// A UNIX signal as an event.
class Signal {
 public:
  Signal(Loop& loop, int number, std::function<void()> fn);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  struct Core;
  Core* core_;
};

}  // namespace postwain::net
