// What a connection does when its peer does not read, or asks without end.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "common/daemon/accept_trouble.h"
#include "common/daemon/channel.h"
#include "common/daemon/ipc_connection.h"
#include "common/daemon/qmgr_link.h"

using namespace postwain;
using namespace postwain::daemon;
using namespace std::chrono_literals;

namespace {

// What was closed in this turn is gone after the next.
void settle(net::Loop& loop) {
  net::Timer timer(loop);
  timer.start(20ms, [&] { loop.stop(); });
  loop.run();
}

std::shared_ptr<tls::Context> server_context() {
  char folder[] = "/tmp/pw-channel-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  std::string base = folder;
  std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
      "/CN=mx.example.org -keyout " +
      base + "/k -out " + base + "/c 2>/dev/null";
  REQUIRE(std::system(command.c_str()) == 0);
  auto context = tls::Context::server(read_small_file(base + "/c").take(),
                                      read_small_file(base + "/k").take());
  std::filesystem::remove_all(base);
  REQUIRE(context.ok());
  return context.take();
}

// A TLS client by OpenSSL alone on the other end of a socket; it reads only when told to.
class HostileClient {
 public:
  explicit HostileClient(int fd) : fd_(fd) {
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
  }
  ~HostileClient() {
    SSL_free(ssl_);
    SSL_CTX_free(ctx_);
    ::close(fd_);
  }
  bool shake_hands() {
    bool done = SSL_do_handshake(ssl_) == 1;
    send_some();
    read_some();
    return done;
  }
  // Requests of new keys, and one octet among them so that they are not too many in a row.
  void ask(int requests) {
    for (int i = 0; i < requests; ++i) {
      REQUIRE(SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED) == 1);
      REQUIRE(SSL_do_handshake(ssl_) == 1);
    }
    REQUIRE(SSL_write(ssl_, "x", 1) == 1);
  }
  // False: the other end takes no more now.
  bool send_some() {
    char* data = nullptr;
    long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &data);
    out_.append(data, static_cast<std::size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl_));
    ssize_t taken = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) out_.erase(0, static_cast<std::size_t>(taken));
    return out_.empty();
  }
  std::size_t read_some() {
    char block[65536];
    ssize_t got = ::recv(fd_, block, sizeof block, MSG_DONTWAIT);
    if (got > 0) BIO_write(SSL_get_rbio(ssl_), block, static_cast<int>(got));
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

 private:
  int fd_;
  SSL_CTX* ctx_ = SSL_CTX_new(TLS_client_method());
  SSL* ssl_ = SSL_new(ctx_);
  std::string out_;
};

}  // namespace

TEST_CASE(
    "S7, S20: TLS's own answers that nobody reads stop the input, and are no flight of ours") {
  net::Loop loop;
  auto context = server_context();
  int fds[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  REQUIRE(::fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
  HostileClient client(fds[1]);
  std::unique_ptr<Channel> channel;
  std::size_t heard = 0;
  int drained_own = 0;
  int drained = 0;
  bool open = false;
  std::string closed = "no";
  channel = std::make_unique<Channel>(
      loop, net::Stream::adopt(loop, fds[0]).take(),
      Channel::Callbacks{
          .on_data = [&](std::string_view bytes) { heard += bytes.size(); },
          .on_tls = [&] { open = true; },
          .on_closed = [&](const std::string& why) { closed = why; },
          .on_drained =
              [&] {
                ++drained;
                drained_own += channel->drained_own() ? 1 : 0;
              },
      });
  channel->start_tls_server(*context);
  for (int i = 0; i < 50 && !(client.shake_hands() && open); ++i) settle(loop);
  REQUIRE(open);
  std::size_t stuck = 0;
  std::size_t most = 0;
  for (int i = 0; i < 20'000 && stuck < 20; ++i) {
    client.ask(30);
    if (client.send_some()) continue;
    std::size_t before = heard;
    settle(loop);
    most = std::max(most, channel->pending());
    stuck = heard == before ? stuck + 1 : 0;
  }
  CHECK(closed == "no");
  CHECK(stuck == 20);
  CHECK(most >= Channel::kUnreadMax);
  CHECK(most < 4 * Channel::kUnreadMax);
  // Whoever reads again is heard again.
  std::size_t before = heard;
  for (int i = 0; i < 500 && heard == before; ++i) {
    while (client.read_some() > 0) {
    }
    settle(loop);
  }
  CHECK(heard > before);
  CHECK(drained > 0);
  CHECK(drained_own == 0);
}

TEST_CASE("S3: who does not read is not read from") {
  int ends[2];
  constexpr int kKind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  REQUIRE(::socketpair(AF_UNIX, kKind, 0, ends) == 0);
  net::Loop loop;
  std::size_t frames = 0;
  std::unique_ptr<IpcConnection> served;
  served = std::make_unique<IpcConnection>(
      loop, net::Stream::adopt(loop, ends[0]).take(),
      IpcConnection::Callbacks{
          .on_frame =
              [&](ipc::FrameType, std::string_view) {
                ++frames;
                served->send(ipc::ControlReply{1, true, 0, std::string(10'000, 'x')});
                return true;
              },
          .on_closed = [&](const std::string&) { loop.stop(); }});
  served->limit_unread(1U << 20);
  // A peer that asks as fast as it can, and reads nothing for a while.
  std::string request;
  REQUIRE(ipc::append_frame(request, ipc::ControlRequest{1, "{}"}));
  constexpr std::size_t kAsked = 20'000;
  std::string all;
  for (std::size_t i = 0; i < kAsked; ++i) all += request;
  std::size_t sent = 0;
  auto send_more = [&] {
    ssize_t n = ::write(ends[1], all.data() + sent, all.size() - sent);
    if (n > 0) sent += static_cast<std::size_t>(n);
  };
  for (int turn = 0; turn < 200; ++turn) {
    send_more();
    net::Timer nap(loop);
    nap.start(std::chrono::milliseconds(1), [&] { loop.stop(); });
    loop.run();
  }
  // What came in one go is answered; then the rest has to wait.
  CHECK(frames < kAsked / 4);
  std::size_t before = frames;
  std::vector<char> block(1U << 20);
  for (int turn = 0; turn < 5000 && frames < before + 1000; ++turn) {
    while (::read(ends[1], block.data(), block.size()) > 0) {
    }
    send_more();
    net::Timer nap(loop);
    nap.start(std::chrono::milliseconds(1), [&] { loop.stop(); });
    loop.run();
  }
  CHECK(frames >= before + 1000);
  ::close(ends[1]);
}
