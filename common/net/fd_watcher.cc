#include "common/net/fd_watcher.h"

#include <uv.h>

#include "common/base/check.h"

namespace postwain::net {

// Lives until libuv's close callback; `alive` is false from the moment the owner is gone.
struct FdWatcher::Core {
  uv_poll_t handle;
  std::function<void(bool, bool)> ready;
  bool alive = true;

  static void on_event(uv_poll_t* handle, int status, int events) noexcept {
    auto* core = static_cast<Core*>(handle->data);
    if (!core->alive) return;
    // An error is shown by the next read or write of the descriptor's owner.
    bool both = status < 0;
    core->ready(both || (events & UV_READABLE) != 0, both || (events & UV_WRITABLE) != 0);
  }
  static void on_close(uv_handle_t* handle) noexcept { delete static_cast<Core*>(handle->data); }
};

FdWatcher::FdWatcher(Loop& loop, int fd, std::function<void(bool, bool)> ready)
    : core_(new Core{{}, std::move(ready)}) {
  PW_CHECK(uv_poll_init(loop.raw(), &core_->handle, fd) == 0);
  core_->handle.data = core_;
}

FdWatcher::~FdWatcher() {
  core_->alive = false;
  uv_close(reinterpret_cast<uv_handle_t*>(&core_->handle), &Core::on_close);
}

void FdWatcher::watch(bool read, bool write) {
  int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
  if (events == 0)
    uv_poll_stop(&core_->handle);
  else
    PW_CHECK(uv_poll_start(&core_->handle, events, &Core::on_event) == 0);
}

}  // namespace postwain::net
