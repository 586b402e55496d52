#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon/channel.h"
#include "common/daemon/ipc_connection.h"
#include "common/daemon/qmgr_link.h"

using namespace postwain;
using namespace postwain::daemon;
using namespace std::chrono_literals;

namespace {

struct Pair {
  Pair(net::Loop& loop) {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    a = net::Stream::adopt(loop, fds[0]).take();
    b = net::Stream::adopt(loop, fds[1]).take();
  }
  net::Stream a;
  net::Stream b;
};

}  // namespace

TEST_CASE("frames pass in order, also when a frame is larger than a read") {
  net::Loop loop;
  Pair pair(loop);
  std::vector<std::size_t> sizes;
  std::unique_ptr<IpcConnection> receiver;
  std::unique_ptr<IpcConnection> sender;
  receiver = std::make_unique<IpcConnection>(
      loop, std::move(pair.b),
      IpcConnection::Callbacks{.on_frame =
                                   [&](ipc::FrameType type, std::string_view payload) {
                                     ipc::SubmitChunk chunk;
                                     REQUIRE(type == ipc::FrameType::submit_chunk);
                                     REQUIRE(ipc::decode(payload, chunk));
                                     REQUIRE(chunk.content.find_first_not_of('x') ==
                                             std::string_view::npos);
                                     sizes.push_back(chunk.content.size());
                                     if (sizes.size() == 4) {
                                       receiver.reset();
                                       sender.reset();
                                     }
                                     return true;
                                   },
                               .on_closed = [&](const std::string&) { FAIL(); }});
  sender = std::make_unique<IpcConnection>(
      loop, std::move(pair.a),
      IpcConnection::Callbacks{.on_frame = [](ipc::FrameType, std::string_view) { return true; },
                               .on_closed = [](const std::string&) {}});
  std::string large(3U << 20, 'x');
  for (std::size_t size : {1UL, 3UL << 20, 0UL, 65536UL})
    sender->send(ipc::SubmitChunk{mail::QueueId{1}, std::string_view(large).substr(0, size)});
  loop.run();
  CHECK(sizes == std::vector<std::size_t>{1, 3U << 20, 0, 65536});
}

TEST_CASE("a malformed frame closes its connection and nothing else") {
  for (std::string bad :
       {std::string("\xff\xff\xff\xff\xff\xff", 6), std::string("\x03\0\0\0\x0a\0x", 7)}) {
    net::Loop loop;
    Pair pair(loop);
    int closed = 0;
    std::unique_ptr<IpcConnection> receiver;
    receiver = std::make_unique<IpcConnection>(
        loop, std::move(pair.b),
        IpcConnection::Callbacks{.on_frame =
                                     [&](ipc::FrameType, std::string_view payload) {
                                       ipc::Submit submit;
                                       return ipc::decode(payload, submit);
                                     },
                                 .on_closed =
                                     [&](const std::string& why) {
                                       CHECK(why == "malformed frame");
                                       ++closed;
                                       receiver.reset();
                                     }});
    pair.a.start({.on_data = [](std::string_view) {}});
    pair.a.write(bad);
    net::Timer stop(loop);
    stop.start(50ms, [&] { loop.stop(); });
    loop.run();
    CHECK(closed == 1);
  }
}

TEST_CASE("the link to qmgr comes back whenever qmgr does") {
  char folder[] = "/tmp/pw-link-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  std::string path = std::string(folder) + "/qmgr.sock";
  net::Loop loop;
  int ups = 0;
  int downs = 0;
  std::unique_ptr<net::Listener> listener;
  std::unique_ptr<IpcConnection> served;
  std::unique_ptr<QmgrLink> link;
  auto serve = [&](net::Stream stream) {
    served = std::make_unique<IpcConnection>(
        loop, std::move(stream),
        IpcConnection::Callbacks{.on_frame =
                                     [&](ipc::FrameType type, std::string_view payload) {
                                       ipc::Hello hello;
                                       REQUIRE(type == ipc::FrameType::hello);
                                       REQUIRE(ipc::decode(payload, hello));
                                       CHECK(hello.name == "smtpd[0]");
                                       served->send(ipc::Welcome{ipc::kProtocolVersion, 17});
                                       return true;
                                     },
                                 .on_closed = [&](const std::string&) {}});
  };
  net::Timer start(loop);
  start.start(120ms, [&] {  // the link is first: start order must not matter
    listener =
        std::make_unique<net::Listener>(loop, net::bind_listener({{}, 0, path}).take(), serve);
  });
  link = std::make_unique<QmgrLink>(
      loop, path, ipc::Role::smtpd, "smtpd[0]",
      QmgrLink::Callbacks{.on_up =
                              [&](const ipc::Welcome& welcome) {
                                CHECK(welcome.worker == 17);
                                if (++ups == 1) {
                                  served.reset();
                                } else {
                                  loop.stop();
                                }
                              },
                          .on_down = [&](const std::string&) { ++downs; },
                          .on_frame = [](ipc::FrameType, std::string_view) { return true; }});
  loop.run();
  link.reset();
  served.reset();
  listener.reset();
  CHECK(ups == 2);
  CHECK(downs == 1);
  ::unlink(path.c_str());
  ::rmdir(folder);
}
