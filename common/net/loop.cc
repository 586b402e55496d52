#include "common/net/loop.h"

#include <algorithm>
#include <utility>

#include <uv.h>

#include "common/base/check.h"

namespace postwain::net {

// Turn-end tasks run in a check handle (after the poll phase) and, for those made by timers, in a
// prepare handle (before the next poll). Both are unreferenced, so that they alone do not keep the
// loop running.
struct Loop::Hooks {
  uv_check_t check;
  uv_prepare_t prepare;
  Loop* loop;
};

Loop::Loop() : loop_(std::make_unique<uv_loop_s>()), hooks_(new Hooks), read_block_(kReadBlock) {
  PW_CHECK(uv_loop_init(loop_.get()) == 0);
  loop_->data = this;
  hooks_->loop = this;
  uv_check_init(loop_.get(), &hooks_->check);
  uv_prepare_init(loop_.get(), &hooks_->prepare);
  hooks_->check.data = hooks_->prepare.data = this;
  uv_check_start(&hooks_->check,
                 [](uv_check_t* h) { static_cast<Loop*>(h->data)->run_turn_end(); });
  uv_prepare_start(&hooks_->prepare,
                   [](uv_prepare_t* h) { static_cast<Loop*>(h->data)->run_turn_end(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&hooks_->check));
  uv_unref(reinterpret_cast<uv_handle_t*>(&hooks_->prepare));
}

Loop::~Loop() {
  for (auto& [key, fn] : std::exchange(at_close_, {})) fn();
  uv_close(reinterpret_cast<uv_handle_t*>(&hooks_->check), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&hooks_->prepare), nullptr);
  // Only close callbacks are left to run; an owner that is still alive would keep the loop from
  // closing.
  uv_run(loop_.get(), UV_RUN_NOWAIT);
  uv_run(loop_.get(), UV_RUN_NOWAIT);
  delete hooks_;
  PW_CHECK(uv_loop_close(loop_.get()) == 0);
}

void Loop::run() {
  uv_run(loop_.get(), UV_RUN_DEFAULT);
}

void Loop::stop() {
  uv_stop(loop_.get());
}

void Loop::at_turn_end(const void* key, std::function<void()> fn) {
  if (waiting_.insert(key).second) turn_end_.push_back(Task{key, std::move(fn)});
}

void Loop::forget_turn_end(const void* key) {
  waiting_.erase(key);
  for (std::vector<Task>* tasks : {&turn_end_, &running_})
    for (Task& task : *tasks)
      if (task.key == key) task.key = nullptr;
}

void Loop::run_turn_end() {
  // Tasks may add and forget tasks. The bound keeps two tasks that wake each other from starving
  // the poll.
  constexpr int kRoundsMax = 16;
  for (int round = 0; round < kRoundsMax && !turn_end_.empty(); ++round) {
    running_.swap(turn_end_);
    waiting_.clear();
    for (std::size_t i = 0; i < running_.size(); ++i)
      if (running_[i].key != nullptr) running_[i].fn();
    running_.clear();
  }
}

void Loop::at_close(const void* key, std::function<void()> fn) {
  at_close_[key] = std::move(fn);
}

void Loop::forget_close(const void* key) {
  at_close_.erase(key);
}

MonoTime Loop::now() const {
  return MonoTime(Duration(uv_now(loop_.get())));
}

struct Timer::Core {
  uv_timer_t handle;
  std::function<void()> fn;
};

Timer::Timer(Loop& loop) : core_(new Core) {
  uv_timer_init(loop.raw(), &core_->handle);
  core_->handle.data = core_;
}

Timer::~Timer() {
  if (core_ == nullptr) return;
  uv_timer_stop(&core_->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&core_->handle),
           [](uv_handle_t* h) { delete static_cast<Core*>(h->data); });
}

Timer::Timer(Timer&& other) noexcept : core_(other.core_) {
  other.core_ = nullptr;
}

Timer& Timer::operator=(Timer&& other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}

namespace {

std::uint64_t whole_ms(Duration d) {
  return d.count() > 0 ? static_cast<std::uint64_t>(d.count()) : 0;
}

}  // namespace

void Timer::start(Duration after, std::function<void()> fn) {
  core_->fn = std::move(fn);
  uv_update_time(core_->handle.loop);
  uv_timer_start(
      &core_->handle,
      [](uv_timer_t* h) {
        // Moved out first: the callback may start this timer again or destroy it.
        auto fire = std::move(static_cast<Core*>(h->data)->fn);
        fire();
      },
      whole_ms(after), 0);
}

void Timer::repeat(Duration every, std::function<void()> fn) {
  core_->fn = std::move(fn);
  uv_timer_start(
      &core_->handle,
      [](uv_timer_t* h) {
        auto fire = static_cast<Core*>(h->data)->fn;
        fire();
      },
      whole_ms(every), std::max<std::uint64_t>(1, whole_ms(every)));
}

void Timer::stop() {
  uv_timer_stop(&core_->handle);
}

bool Timer::active() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(&core_->handle)) != 0;
}

struct Wakeup::Core {
  uv_async_t handle;
  std::function<void()> fn;
};

Wakeup::Wakeup(Loop& loop, std::function<void()> fn) : core_(new Core{{}, std::move(fn)}) {
  uv_async_init(loop.raw(), &core_->handle, [](uv_async_t* h) {
    auto* core = static_cast<Core*>(h->data);
    if (core->fn) core->fn();
  });
  core_->handle.data = core_;
}

Wakeup::~Wakeup() {
  core_->fn = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&core_->handle),
           [](uv_handle_t* h) { delete static_cast<Core*>(h->data); });
}

void Wakeup::notify() {
  uv_async_send(&core_->handle);
}

struct Signal::Core {
  uv_signal_t handle;
  std::function<void()> fn;
};

Signal::Signal(Loop& loop, int number, std::function<void()> fn)
    : core_(new Core{{}, std::move(fn)}) {
  uv_signal_init(loop.raw(), &core_->handle);
  core_->handle.data = core_;
  uv_signal_start(
      &core_->handle,
      [](uv_signal_t* h, int) {
        auto fire = static_cast<Core*>(h->data)->fn;
        if (fire) fire();
      },
      number);
  uv_unref(reinterpret_cast<uv_handle_t*>(&core_->handle));
}

Signal::~Signal() {
  core_->fn = nullptr;
  uv_signal_stop(&core_->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&core_->handle),
           [](uv_handle_t* h) { delete static_cast<Core*>(h->data); });
}

}  // namespace postwain::net
