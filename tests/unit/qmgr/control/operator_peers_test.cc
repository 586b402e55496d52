// Who asks at the control connection, and what is sent to him.
#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/net/loop.h"
#include "qmgr/control/operator_peers.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

// One operator whose end of the connection is read only when a test says so.
struct OneOperator {
  explicit OneOperator(bool only_looks) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    other_end = fds[1];
    connection = std::make_unique<daemon::IpcConnection>(
        loop, net::Stream::adopt(loop, fds[0]).take(),
        daemon::IpcConnection::Callbacks{
            .on_frame = [](ipc::FrameType, std::string_view) { return true; },
            .on_closed = [](const std::string&) {}});
    peers.add(1, *connection, {ipc::Role::control, ::geteuid(), "al\nice", only_looks});
  }
  ~OneOperator() {
    peers.remove(1);
    connection.reset();
    ::close(other_end);
  }
  net::Loop loop;
  int other_end = -1;
  std::unique_ptr<daemon::IpcConnection> connection;
  OperatorPeers peers;
};

}  // namespace

TEST_CASE("a viewer has few questions at once; each last answer makes room for one") {
  OneOperator viewer(true);
  CHECK(viewer.peers.only_looks(1));
  for (std::size_t i = 0; i < kRequestsOfViewer; ++i) CHECK(viewer.peers.begins_request(1));
  CHECK_FALSE(viewer.peers.begins_request(1));
  viewer.peers.refuse({1, 5}, "too many", kExitTempFail);
  CHECK_FALSE(viewer.peers.begins_request(1));
  viewer.peers.refuse({1, 6}, "too many", kExitTempFail);
  viewer.peers.reply({1, 1}, "{}", false);
  CHECK_FALSE(viewer.peers.begins_request(1));
  viewer.peers.refuse({1, 7}, "too many", kExitTempFail);
  viewer.peers.reply({1, 1}, "{}");
  CHECK(viewer.peers.begins_request(1));
}

TEST_CASE("an operator with all rights may ask as much as he likes") {
  OneOperator root(false);
  CHECK_FALSE(root.peers.only_looks(1));
  for (int i = 0; i < 100; ++i) CHECK(root.peers.begins_request(1));
}

TEST_CASE(
    "the author of a command is a name without control characters, and what the socket says") {
  OneOperator one(false);
  CHECK(one.peers.author(1) == fmt::format("al\\x0aice (uid {}, pid {})", ::geteuid(), ::getpid()));
  CHECK(one.peers.author(2).empty());
}

TEST_CASE("who does not read is behind; who has gone gets nothing") {
  OneOperator one(false);
  CHECK_FALSE(one.peers.is_behind(1));
  std::string large(kWalkBacklog, 'x');
  for (int i = 0; i < 3; ++i) one.peers.reply({1, 1}, large, false);
  CHECK(one.peers.is_behind(1));
  CHECK(one.peers.has_room(1));
  for (std::size_t i = 0; i * kWalkBacklog < kAnswerBacklog; ++i)
    one.peers.reply({1, 1}, large, false);
  CHECK_FALSE(one.peers.has_room(1));
  std::size_t pending = one.connection->pending();
  // Larger than a frame may be: an error instead, and the connection goes on.
  one.peers.reply({1, 1}, std::string(ipc::kFrameMax, 'x'), false);
  CHECK(one.connection->pending() > pending);
  CHECK(one.connection->pending() < pending + 1000);
  one.peers.remove(1);
  CHECK_FALSE(one.peers.is_here(1));
  CHECK_FALSE(one.peers.has_room(1));
  CHECK(one.peers.is_behind(1));
  one.peers.reply({1, 1}, "{}");
}
