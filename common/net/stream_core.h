// Inside of Stream, shared with Listener. Not for others.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <uv.h>

#include "common/net/stream.h"

namespace postwain::net {

// What libuv points to. Lives until its owner is gone, its handle is closed and no request is in
// flight.
struct Stream::Core {
  Core(Loop& its_loop, bool is_unix, Carries what)
      : loop(&its_loop), unix_socket(is_unix), carries(what) {
    if (unix_socket)
      uv_pipe_init(loop->raw(), &pipe, carries == Carries::descriptors ? 1 : 0);
    else
      uv_tcp_init(loop->raw(), &tcp);
    handle()->data = this;
  }

  uv_handle_t* handle() { return reinterpret_cast<uv_handle_t*>(&tcp); }
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }

  void start_reading();
  void read_some(ssize_t count, const char* data);
  void take_descriptors();
  void write(std::string_view bytes);
  std::optional<std::size_t> write_some(std::string_view bytes);
  void write_later(std::string_view bytes, uv_pipe_t* carrier);
  void write_done(int status);
  void read_the_rest();
  void failed_later(int status);
  void fail(int status);
  void connect_done(int status);
  void disown();
  void drain_then_close();
  void close();
  void free_when_done();

  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  Loop* loop;
  bool unix_socket;
  Carries carries;
  bool owned = true;
  unsigned read_most = Loop::kReadBlock;  // octets at a time
  bool reading = false;
  bool dead = false;  // failed: no more I/O, waits for its owner
  bool closing = false;
  bool closed = false;
  bool connect_in_flight = false;
  bool shutdown_in_flight = false;
  int writes_in_flight = 0;
  std::size_t pending = 0;
  Callbacks callbacks;
  std::function<void(Status)> connected;
  std::shared_ptr<void> keep;  // close_after_flush()
  uv_connect_t connect_request{};
  uv_shutdown_t shutdown_request{};
  std::optional<Timer> error_timer;
  std::optional<Timer> linger;
};

}  // namespace postwain::net
