#include "common/net/command.h"

#include <csignal>

#include <fmt/format.h>
#include <uv.h>

#include "common/base/check.h"

namespace postwain::net {

// Lives until libuv has closed its three handles; `alive` is false from the moment the owner is
// gone. The end is told when both the program has ended and its output has.
struct Command::Core {
  uv_process_t process{};
  uv_pipe_t output{};
  uv_timer_t timer{};
  std::function<void(Result<std::string>)> done;
  std::size_t size_max = 0;
  Duration limit{};
  std::string text;
  std::string trouble;
  char block[4096] = {};
  int open_handles = 0;
  bool alive = true;
  bool started = false;
  bool exited = false;
  bool drained = false;

  void kill(std::string why) {
    if (trouble.empty()) trouble = std::move(why);
    kill_group();
    if (!drained) {
      uv_read_stop(reinterpret_cast<uv_stream_t*>(&output));
      drained = true;
    }
    finish();
  }
  // The program leads a group of its own: with it go its children, one of whom may hold the other
  // end of the pipe still.
  void kill_group() const {
    if (started && (!exited || !drained) && process.pid > 0) ::kill(-process.pid, SIGKILL);
  }
  void finish() {
    if (!drained || (started && !exited)) return;
    uv_timer_stop(&timer);
    if (alive && done) {
      auto tell = std::exchange(done, nullptr);
      tell(trouble.empty() ? Result<std::string>(std::move(text)) : Error{trouble});
    }
  }
  void close() {
    for (auto* handle :
         {reinterpret_cast<uv_handle_t*>(&output), reinterpret_cast<uv_handle_t*>(&timer),
          started ? reinterpret_cast<uv_handle_t*>(&process) : nullptr})
      if (handle != nullptr) uv_close(handle, &Core::on_close);
  }

  static Core& of(void* data) { return *static_cast<Core*>(data); }
  static void on_close(uv_handle_t* handle) noexcept {
    auto* core = static_cast<Core*>(handle->data);
    if (--core->open_handles == 0) delete core;
  }
  static void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept {
    *buffer = uv_buf_init(of(handle->data).block, sizeof block);
  }
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t*) noexcept {
    Core& core = of(stream->data);
    if (count > 0) {
      core.text.append(core.block, static_cast<std::size_t>(count));
      if (core.text.size() > core.size_max) core.kill("it prints too much");
    } else if (count < 0) {
      uv_read_stop(stream);
      core.drained = true;
      core.finish();
    }
  }
  static void on_exit(uv_process_t* process, std::int64_t status, int signal) noexcept {
    Core& core = of(process->data);
    core.exited = true;
    if (core.trouble.empty() && signal != 0)
      core.trouble = fmt::format("it ended by signal {}", signal);
    if (core.trouble.empty() && status != 0) core.trouble = fmt::format("it ended with {}", status);
    core.finish();
  }
};

Command::Command(Loop& loop, const std::vector<std::string>& words, Duration limit,
                 std::size_t size_max, std::function<void(Result<std::string>)> done)
    : core_(new Core) {
  PW_CHECK(!words.empty());
  core_->done = std::move(done);
  core_->size_max = size_max;
  core_->limit = limit;
  PW_CHECK(uv_pipe_init(loop.raw(), &core_->output, 0) == 0);
  PW_CHECK(uv_timer_init(loop.raw(), &core_->timer) == 0);
  core_->output.data = core_->timer.data = core_->process.data = core_;
  core_->open_handles = 2;
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  uv_stdio_container_t streams[3] = {};
  streams[0].flags = UV_IGNORE;
  streams[1].flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
  streams[1].data.stream = reinterpret_cast<uv_stream_t*>(&core_->output);
  streams[2].flags = UV_INHERIT_FD;
  streams[2].data.fd = 2;
  uv_process_options_t options{};
  options.exit_cb = &Core::on_exit;
  options.file = arguments[0];
  options.args = arguments.data();
  options.stdio = streams;
  options.stdio_count = 3;
  options.flags = UV_PROCESS_DETACHED;
  int status = uv_spawn(loop.raw(), &core_->process, &options);
  // libuv has made the handle in any case, and wants it closed.
  core_->started = true;
  ++core_->open_handles;
  if (status != 0) {
    core_->exited = core_->drained = true;
    core_->trouble = fmt::format("it cannot be started: {}", uv_strerror(status));
  } else {
    uv_read_start(reinterpret_cast<uv_stream_t*>(&core_->output), &Core::on_alloc, &Core::on_read);
  }
  // Trouble at the start is told later as well.
  auto after = static_cast<std::uint64_t>(status != 0 ? 0 : limit.count());
  uv_timer_start(
      &core_->timer,
      [](uv_timer_t* timer) {
        Core& core = Core::of(timer->data);
        if (core.exited && core.drained)
          core.finish();
        else
          core.kill("it takes too long");
      },
      after, 0);
}

Command::~Command() {
  core_->alive = false;
  core_->kill_group();
  core_->close();
}

}  // namespace postwain::net
