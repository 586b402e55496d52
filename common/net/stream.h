// Byte streams over TCP and Unix sockets, and listeners. No protocol, no TLS
// (common/daemon/channel.h stacks it on top).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/net/loop.h"

namespace postwain::net {

struct Endpoint {
  std::string host;  // IP address as text; empty for a Unix socket
  std::uint16_t port = 0;
  std::string unix_path;

  std::string text() const;  // "192.0.2.1:25", "[2001:db8::1]:25", "unix:/run/x"
};

struct PeerCredentials {
  std::uint32_t pid = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// What a Unix socket carries: only bytes, or open files with them (SCM_RIGHTS).
enum class Carries : bool { bytes, descriptors };

// One connection. The callbacks may destroy the stream; after on_end or on_error no callback comes.
class Stream {
 public:
  struct Callbacks {
    std::function<void(std::string_view)> on_data{};  // valid during the call only
    std::function<void()> on_end{};                   // the peer sent its end; writing still works
    std::function<void(const Error&)> on_error{};     // read or write failed, connection is dead
    std::function<void()> on_drained{};               // everything written has reached the kernel
    // Of a stream that carries descriptors: comes before the bytes it was written with. Without
    // this callback they are closed.
    std::function<void(UniqueFd)> on_descriptor{};
  };

  Stream() = default;
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  explicit operator bool() const { return core_ != nullptr; }

  // TCP_NODELAY is set. source: local address to bind, empty for none. done is called once, unless
  // the returned stream is destroyed first; on success the stream is connected but not yet reading.
  static Stream connect(Loop& loop, const Endpoint& to, const std::string& source,
                        std::function<void(Status)> done, Carries carries = Carries::bytes);
  // Takes over a connected socket (tests, socketpairs).
  static Result<Stream> adopt(Loop& loop, int fd, Carries carries = Carries::bytes);

  void start(Callbacks callbacks);  // begins reading
  void pause();                     // stop reading; resume() goes on
  void resume();
  // TCP: acknowledges at once what was read. Called by whoever awaits more and has nothing to send.
  // A peer that writes small pieces and has not set TCP_NODELAY holds the next one back until then
  // (RFC 1122 4.2.3.4), which otherwise takes 40 ms.
  void acknowledge();
  // So many octets are read at a time, at most; without it Loop::kReadBlock.
  void limit_reads(std::size_t octets);
  // Writes at once what the kernel takes and keeps the rest; never blocks. pending() is what is
  // kept: the caller must stop producing while it is large and go on at on_drained.
  void write(std::string_view bytes);
  // Writes at once what the kernel takes, keeps nothing, and says how many octets that were; none
  // while others are kept. For octets that may be written at this moment only.
  std::size_t write_some(std::string_view bytes);
  // As write(), with an open file, of a stream that carries descriptors. Some bytes, at least one.
  // The file is marked non-blocking, which regular files do not heed.
  void write(std::string_view bytes, UniqueFd descriptor);
  std::size_t pending() const;
  void shutdown_write();  // after what is pending
  // Sends what is pending, then closes when the peer has, too; lingers at most `limit`. The owner
  // is empty afterwards. keep: lives until the descriptor is closed.
  void close_after_flush(Duration limit, std::shared_ptr<void> keep = nullptr);
  void reset();  // closes at once

  std::optional<PeerCredentials> peer_credentials() const;  // Unix sockets
  // The groups the peer was in when it connected, its own first, as the kernel knows them (no user
  // database is asked). Empty where the kernel does not say.
  std::vector<std::uint32_t> peer_groups() const;  // Unix sockets
  Endpoint peer() const;
  Endpoint local() const;

 private:
  struct Core;
  friend class Listener;
  explicit Stream(Core* core) : core_(core) {}
  Core* core_ = nullptr;
};

// Accepts connections on a descriptor that is already bound and listening (made by bind_listener,
// inherited).
class Listener {
 public:
  Listener(Loop& loop, int fd, std::function<void(Stream)> on_connection,
           Carries carries = Carries::bytes);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Out of descriptors: accepting pauses for a second by itself instead of spinning;
  // pause() is the caller's.
  void pause();
  void resume();
  // Told why connections wait in the kernel although they could be taken, and once more, with no
  // error, when they are taken again.
  void watch_trouble(std::function<void(const Status&)> on_trouble);

 private:
  struct Core;
  Core* core_;
};

constexpr int kListenBacklog = 4096;
// Of the file of a Unix socket. Whoever may write to it may connect.
struct SocketRights {
  std::uint32_t mode = 0666;
  std::optional<std::uint32_t> group{};
};
// Binds and listens. Unix: an old socket nobody listens on is removed; the file has its mode from
// the beginning, so nothing is done to a path that somebody may have changed meanwhile. Returns the
// descriptor. (While it runs the process's umask is another one.)
Result<int> bind_listener(const Endpoint& at, const SocketRights& rights = {});
// Where a socket of any family is bound; the host in its shortest form.
Result<Endpoint> bound_endpoint(int fd);
// The same endpoint with its host in that form.
Endpoint canonical(const Endpoint& endpoint);

}  // namespace postwain::net
