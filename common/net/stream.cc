#include "common/net/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <uv.h>

#include "common/base/check.h"
#include "common/net/socket_address.h"
#include "common/net/stream_core.h"

namespace postwain::net {

std::string Endpoint::text() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

namespace {

constexpr std::size_t kReadLeast = 4096;

Error uv_error(int status) {
  return Error{uv_strerror(status), -status};
}

// One write the kernel did not take at once; owns its bytes until completion.
struct PendingWrite {
  uv_write_t request{};
  std::string bytes;
  uv_pipe_t* carrier = nullptr;  // of a descriptor that goes with them
};

// libuv passes descriptors only as handles of its own; which kind of file is behind them is not
// its concern.
uv_pipe_t* make_carrier(Loop& loop) {
  auto* carrier = new uv_pipe_t;
  uv_pipe_init(loop.raw(), carrier, 0);
  return carrier;
}

void close_carrier(uv_pipe_t* carrier) {
  uv_close(reinterpret_cast<uv_handle_t*>(carrier),
           [](uv_handle_t* h) { delete reinterpret_cast<uv_pipe_t*>(h); });
}

}  // namespace

// The part libuv points to. `owned` false: the owner is gone, only the close is awaited.

void Stream::Core::close() {
  if (closing) return;
  closing = true;
  uv_close(handle(), [](uv_handle_t* h) {
    auto* core = static_cast<Core*>(h->data);
    core->closed = true;
    core->free_when_done();
  });
  if (linger) loop->forget_close(this);
  linger.reset();
}

void Stream::Core::free_when_done() {
  if (closed && writes_in_flight == 0 && !connect_in_flight && !shutdown_in_flight && !owned)
    delete this;
}

// The callbacks stay alive with the core, because one of them may be running just now; `owned`
// silences them.
void Stream::Core::disown() {
  owned = false;
}

void Stream::Core::fail(int status) {
  if (!owned || dead) return;
  dead = true;
  uv_read_stop(stream());
  if (callbacks.on_error) {
    auto report = std::move(callbacks.on_error);
    report(uv_error(status));
  }
}

void Stream::Core::read_some(ssize_t count, const char* data) {
  if (count == 0 || !owned || dead) return;
  if (count > 0) {
    if (carries == Carries::descriptors) take_descriptors();
    if (!owned) return;
    if (callbacks.on_data)
      callbacks.on_data(std::string_view(data, static_cast<std::size_t>(count)));
    return;
  }
  uv_read_stop(stream());
  if (count != UV_EOF) return fail(static_cast<int>(count));
  if (callbacks.on_end) {
    auto report = std::move(callbacks.on_end);
    report();
  }
}

void Stream::Core::take_descriptors() {
  while (uv_pipe_pending_count(&pipe) > 0) {
    uv_pipe_t* carrier = make_carrier(*loop);
    uv_os_fd_t fd = -1;
    UniqueFd own;
    if (uv_accept(stream(), reinterpret_cast<uv_stream_t*>(carrier)) == 0 &&
        uv_fileno(reinterpret_cast<uv_handle_t*>(carrier), &fd) == 0)
      own = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    close_carrier(carrier);
    if (own && owned && callbacks.on_descriptor) callbacks.on_descriptor(std::move(own));
  }
}

void Stream::Core::start_reading() {
  if (closing || dead) return;
  reading = true;
  int status = uv_read_start(
      stream(),
      [](uv_handle_t* h, std::size_t, uv_buf_t* buffer) {
        *buffer = uv_buf_init(static_cast<Loop*>(h->loop->data)->read_block(),
                              static_cast<Core*>(h->data)->read_most);
      },
      [](uv_stream_t* s, ssize_t count, const uv_buf_t* buffer) {
        static_cast<Core*>(s->data)->read_some(count, buffer->base);
      });
  if (status != 0 && status != UV_EALREADY) fail(status);
}

void Stream::Core::write(std::string_view bytes) {
  if (closing || dead || bytes.empty()) return;
  std::optional<std::size_t> taken = write_some(bytes);
  if (!taken) return;
  bytes.remove_prefix(*taken);
  if (!bytes.empty()) write_later(bytes, nullptr);
}

// Nothing: the connection is dead.
std::optional<std::size_t> Stream::Core::write_some(std::string_view bytes) {
  if (closing || dead) return std::nullopt;
  if (pending > 0 || bytes.empty()) return 0;
  uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  int taken = uv_try_write(stream(), &buffer, 1);
  if (taken >= 0) return static_cast<std::size_t>(taken);
  if (taken == UV_EAGAIN) return 0;
  failed_later(taken);
  return std::nullopt;
}

void Stream::Core::write_later(std::string_view bytes, uv_pipe_t* carrier) {
  auto* write = new PendingWrite;
  write->bytes = bytes;
  write->carrier = carrier;
  write->request.data = write;
  uv_buf_t buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  pending += bytes.size();
  ++writes_in_flight;
  auto finished = [](uv_write_t* request, int result) {
    auto* done = static_cast<PendingWrite*>(request->data);
    auto* core = static_cast<Core*>(request->handle->data);
    core->pending -= done->bytes.size();
    --core->writes_in_flight;
    if (done->carrier != nullptr) close_carrier(done->carrier);
    delete done;
    core->write_done(result);
  };
  int status = carrier == nullptr ? uv_write(&write->request, stream(), &buffer, 1, finished)
                                  : uv_write2(&write->request, stream(), &buffer, 1,
                                              reinterpret_cast<uv_stream_t*>(carrier), finished);
  PW_CHECK(status == 0);
}

void Stream::Core::write_done(int status) {
  if (closing) return free_when_done();
  if (status < 0) {
    read_the_rest();
    return fail(status);
  }
  if (pending == 0 && owned && callbacks.on_drained) callbacks.on_drained();
}

// A failed write is reported from the loop, never from inside write(), so that writers need not
// expect their own end.
void Stream::Core::failed_later(int status) {
  if (!error_timer) error_timer.emplace(*loop);
  error_timer->start(Duration(0), [this, status] {
    read_the_rest();
    fail(status);
  });
}

// A peer may send a last reply and close while we are still writing to it. The writing fails then,
// but the reply has arrived and says why (deliver F10). From one of our own processes these bytes
// are the outcomes of a delivery client that has ended: without them what it has delivered would be
// sent again. File descriptors that come with them are lost, as when this process may open no more
// files.
void Stream::Core::read_the_rest() {
  constexpr int kBlocksMax = 16;
  uv_os_fd_t fd = -1;
  if (uv_fileno(handle(), &fd) != 0) return;
  for (int block = 0; block < kBlocksMax && owned && reading && !dead; ++block) {
    ssize_t n = ::recv(fd, loop->read_block(), Loop::kReadBlock, MSG_DONTWAIT);
    if (n <= 0) return;
    read_some(n, loop->read_block());
  }
}

Stream::~Stream() {
  reset();
}

Stream::Stream(Stream&& other) noexcept : core_(other.core_) {
  other.core_ = nullptr;
}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    reset();
    core_ = other.core_;
    other.core_ = nullptr;
  }
  return *this;
}

void Stream::reset() {
  if (core_ == nullptr) return;
  Core* core = core_;
  core_ = nullptr;
  core->disown();
  core->error_timer.reset();
  core->close();
}

Result<Stream> Stream::adopt(Loop& loop, int fd, Carries carries) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Error error{std::strerror(errno), errno};
    ::close(fd);
    return error;
  }
  auto* core = new Core(loop, address.ss_family == AF_UNIX, carries);
  int status = core->unix_socket ? uv_pipe_open(&core->pipe, fd) : uv_tcp_open(&core->tcp, fd);
  if (status != 0) ::close(fd);
  Stream stream(core);
  if (status != 0) return uv_error(status);
  if (!core->unix_socket) uv_tcp_nodelay(&core->tcp, 1);
  return stream;
}

Stream Stream::connect(Loop& loop, const Endpoint& to, const std::string& source,
                       std::function<void(Status)> done, Carries carries) {
  auto* core = new Core(loop, !to.unix_path.empty(), carries);
  core->connected = std::move(done);
  core->connect_request.data = core;
  auto finished = [](uv_connect_t* request, int status) {
    auto* self = static_cast<Core*>(request->data);
    self->connect_in_flight = false;
    self->connect_done(status);
  };
  if (core->unix_socket) {
    core->connect_in_flight = true;
    uv_pipe_connect(&core->connect_request, &core->pipe, to.unix_path.c_str(), finished);
    return Stream(core);
  }
  sockaddr_storage address{};
  int status = fill_address(to, address) ? 0 : UV_EINVAL;
  if (status == 0 && !source.empty()) {
    sockaddr_storage from{};
    status = fill_address(Endpoint{source, 0, {}}, from) ? 0 : UV_EINVAL;
    if (status == 0) status = uv_tcp_bind(&core->tcp, reinterpret_cast<sockaddr*>(&from), 0);
  }
  if (status == 0) {
    status = uv_tcp_connect(&core->connect_request, &core->tcp,
                            reinterpret_cast<sockaddr*>(&address), finished);
    core->connect_in_flight = status == 0;
  }
  if (status != 0) {
    core->error_timer.emplace(loop);
    core->error_timer->start(Duration(0), [core, status] { core->connect_done(status); });
  }
  return Stream(core);
}

void Stream::Core::connect_done(int status) {
  if (closing) return free_when_done();
  if (status == 0 && !unix_socket) uv_tcp_nodelay(&tcp, 1);
  if (!owned || !connected) return;
  auto report = std::move(connected);
  connected = nullptr;
  report(status == 0 ? Status() : Status(uv_error(status)));
}

void Stream::start(Callbacks callbacks) {
  core_->callbacks = std::move(callbacks);
  core_->start_reading();
}

void Stream::pause() {
  if (core_ == nullptr || core_->closing) return;
  core_->reading = false;
  uv_read_stop(core_->stream());
}

void Stream::resume() {
  if (core_ != nullptr) core_->start_reading();
}

void Stream::limit_reads(std::size_t octets) {
  if (core_ != nullptr)
    core_->read_most = static_cast<unsigned>(std::clamp(octets, kReadLeast, Loop::kReadBlock));
}

void Stream::write(std::string_view bytes) {
  if (core_ != nullptr) core_->write(bytes);
}

std::size_t Stream::write_some(std::string_view bytes) {
  return core_ == nullptr ? 0 : core_->write_some(bytes).value_or(0);
}

void Stream::write(std::string_view bytes, UniqueFd descriptor) {
  if (core_ == nullptr || core_->closing || core_->dead) return;
  PW_CHECK(core_->carries == Carries::descriptors && !bytes.empty());
  uv_pipe_t* carrier = make_carrier(*core_->loop);
  int status = uv_pipe_open(carrier, descriptor.get());
  if (status != 0) {
    close_carrier(carrier);
    return core_->failed_later(status);
  }
  (void)descriptor.release();
  core_->write_later(bytes, carrier);
}

std::size_t Stream::pending() const {
  return core_ == nullptr ? 0 : core_->pending;
}

void Stream::shutdown_write() {
  if (core_ == nullptr || core_->closing || core_->shutdown_in_flight || core_->dead) return;
  Core* core = core_;
  core->shutdown_request.data = core;
  core->shutdown_in_flight = true;
  int status =
      uv_shutdown(&core->shutdown_request, core->stream(), [](uv_shutdown_t* request, int) {
        auto* self = static_cast<Core*>(request->data);
        self->shutdown_in_flight = false;
        if (self->closing) return self->free_when_done();
        if (!self->owned) self->drain_then_close();
      });
  if (status != 0) core->shutdown_in_flight = false;
}

// After our FIN: read and drop what the peer still sends until its end, so that the kernel does not
// answer late input with a reset that would destroy our last reply on its way (RFC 1122 4.2.2.13).
void Stream::Core::drain_then_close() {
  if (dead) return close();
  int status = uv_read_start(
      stream(),
      [](uv_handle_t* h, std::size_t, uv_buf_t* buffer) {
        *buffer = uv_buf_init(static_cast<Loop*>(h->loop->data)->read_block(), Loop::kReadBlock);
      },
      [](uv_stream_t* s, ssize_t count, const uv_buf_t*) {
        if (count < 0) static_cast<Core*>(s->data)->close();
      });
  if (status != 0 && status != UV_EALREADY) close();
}

void Stream::close_after_flush(Duration limit, std::shared_ptr<void> keep) {
  if (core_ == nullptr) return;
  Core* core = core_;
  core->keep = std::move(keep);
  core->error_timer.reset();
  core->disown();
  uv_read_stop(core->stream());
  if (core->dead || core->closing || core->connect_in_flight) {
    core_ = nullptr;
    return core->close();
  }
  if (core->pending == 0 && core->unix_socket) {
    core_ = nullptr;
    return core->close();
  }
  core->linger.emplace(*core->loop);
  core->linger->start(limit, [core] { core->close(); });
  core->loop->at_close(core, [core] { core->close(); });
  shutdown_write();
  core_ = nullptr;
  if (!core->shutdown_in_flight) core->close();
}

void Stream::acknowledge() {
  uv_os_fd_t fd;
  if (core_ == nullptr || core_->unix_socket || uv_fileno(core_->handle(), &fd) != 0) return;
  // The kernel forgets the option with the next pieces. Where it is refused, they come later.
  int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

std::optional<PeerCredentials> Stream::peer_credentials() const {
  uv_os_fd_t fd;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (core_ == nullptr || uv_fileno(core_->handle(), &fd) != 0) return std::nullopt;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return PeerCredentials{static_cast<std::uint32_t>(credentials.pid), credentials.uid,
                         credentials.gid};
}

std::vector<std::uint32_t> Stream::peer_groups() const {
  constexpr std::size_t kGroupsMax = 65536;  // NGROUPS_MAX
  uv_os_fd_t fd;
  auto credentials = peer_credentials();
  if (!credentials || uv_fileno(core_->handle(), &fd) != 0) return {};
  std::vector<std::uint32_t> groups{credentials->gid};
  std::vector<gid_t> others(64);
  for (;;) {
    auto size = static_cast<socklen_t>(others.size() * sizeof(gid_t));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, others.data(), &size) == 0) {
      others.resize(size / sizeof(gid_t));
      groups.insert(groups.end(), others.begin(), others.end());
      return groups;
    }
    if (errno != ERANGE || others.size() >= kGroupsMax) return groups;
    others.resize(kGroupsMax);
  }
}

Endpoint Stream::peer() const {
  sockaddr_storage address{};
  int size = sizeof address;
  if (core_ == nullptr || core_->unix_socket) return {};
  if (uv_tcp_getpeername(&core_->tcp, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return endpoint_of(address);
}

Endpoint Stream::local() const {
  sockaddr_storage address{};
  int size = sizeof address;
  if (core_ == nullptr || core_->unix_socket) return {};
  if (uv_tcp_getsockname(&core_->tcp, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return endpoint_of(address);
}

}  // namespace postwain::net
