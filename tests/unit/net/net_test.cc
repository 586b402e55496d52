#include <csignal>
#include <random>

#include <catch2/catch.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/net/loop.h"
#include "common/net/stream.h"

using namespace postwain;
using namespace postwain::net;
using namespace std::chrono_literals;

namespace {

// A listener on a free port of the loopback interface.
struct Server {
  Server(Loop& loop, std::function<void(Stream)> on_connection) {
    Result<int> fd = bind_listener(Endpoint{"127.0.0.1", 0, {}});
    REQUIRE(fd.ok());
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(*fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    listener = std::make_unique<Listener>(loop, *fd, std::move(on_connection));
  }
  Endpoint endpoint() const { return Endpoint{"127.0.0.1", port, {}}; }
  std::uint16_t port = 0;
  std::unique_ptr<Listener> listener;
};

std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, 0);
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("timers fire in order, may restart and destroy themselves") {
  Loop loop;
  std::string order;
  auto a = std::make_unique<Timer>(loop);
  Timer b(loop);
  a->start(20ms, [&] {
    order += 'a';
    a.reset();
  });
  b.start(1ms, [&] {
    order += 'b';
    b.start(40ms, [&] { order += 'c'; });
  });
  loop.run();
  CHECK(order == "bac");
}

TEST_CASE("turn-end tasks run once a turn, and a forgotten one not at all") {
  Loop loop;
  int runs = 0;
  int key = 0;
  int other = 0;
  Timer timer(loop);
  timer.start(1ms, [&] {
    loop.at_turn_end(&key, [&] { ++runs; });
    loop.at_turn_end(&key, [&] { ++runs; });
    loop.at_turn_end(&other, [&] { runs += 100; });
    loop.forget_turn_end(&other);
  });
  Timer stop(loop);
  stop.start(10ms, [&] { loop.stop(); });
  loop.run();
  CHECK(runs == 1);
}

TEST_CASE("a large transfer arrives whole although the reader pauses") {
  Loop loop;
  const std::string sent = noise(8U << 20);
  std::string got;
  Stream receiver;
  Timer resume(loop);
  bool drained = false;
  Server server(loop, [&](Stream stream) {
    receiver = std::move(stream);
    receiver.start({.on_data =
                        [&](std::string_view bytes) {
                          got += bytes;
                          receiver.pause();
                          resume.start(Duration(got.size() % 2), [&] { receiver.resume(); });
                        },
                    .on_end =
                        [&] {
                          receiver.reset();
                          server.listener.reset();
                        }});
  });
  Stream client;
  client = Stream::connect(loop, server.endpoint(), "", [&](Status status) {
    REQUIRE(status.ok());
    client.start({.on_data = [](std::string_view) {},
                  .on_drained =
                      [&] {
                        drained = true;
                        client.shutdown_write();
                      }});
    client.write(sent);
    CHECK(client.pending() > 0);
  });
  loop.run();
  CHECK(drained);
  CHECK(got == sent);
}

TEST_CASE("close_after_flush delivers the last bytes although the peer still sends") {
  Loop loop;
  const std::string last = noise(3U << 20);
  std::string got;
  bool ended = false;
  Server server(loop, [&](Stream stream) {
    stream.write(last);
    stream.close_after_flush(5s);
    server.listener.reset();
  });
  Stream client;
  client = Stream::connect(loop, server.endpoint(), "", [&](Status status) {
    REQUIRE(status.ok());
    client.start({.on_data =
                      [&](std::string_view bytes) {
                        got += bytes;
                        client.write("still talking\r\n");
                      },
                  .on_end =
                      [&] {
                        ended = true;
                        client.reset();
                      },
                  .on_error = [&](const Error&) { client.reset(); }});
  });
  loop.run();
  CHECK(ended);
  CHECK(got == last);
}

TEST_CASE("an owner destroyed inside its own callback hears nothing more") {
  Loop loop;
  int calls = 0;
  std::unique_ptr<Stream> accepted;
  Server server(loop, [&](Stream stream) {
    accepted = std::make_unique<Stream>(std::move(stream));
    accepted->start({.on_data =
                         [&](std::string_view) {
                           ++calls;
                           accepted.reset();
                           server.listener.reset();
                         },
                     .on_end = [&] { calls += 100; },
                     .on_error = [&](const Error&) { calls += 100; }});
  });
  Stream client;
  client = Stream::connect(loop, server.endpoint(), "", [&](Status status) {
    REQUIRE(status.ok());
    client.start({.on_data = [](std::string_view) {},
                  .on_end = [&] { client.reset(); },
                  .on_error = [&](const Error&) { client.reset(); }});
    client.write("x");
  });
  loop.run();
  CHECK(calls == 1);
}

TEST_CASE("F10: the last words of a peer that closes while it is written to are read") {
  Loop loop;
  std::string heard;
  bool failed = false;
  Stream client;
  std::unique_ptr<Stream> accepted;
  Server server(loop, [&](Stream stream) {
    accepted = std::make_unique<Stream>(std::move(stream));
    accepted->start({.on_data =
                         [&](std::string_view) {
                           client.write("what the server never reads");
                           accepted->write("552 5.3.4 too big\r\n");
                           accepted.reset();  // the kernel answers with a reset
                           server.listener.reset();
                           client.write("and what cannot be sent any more");
                         },
                     .on_end = [] {},
                     .on_error = [](const Error&) {}});
  });
  client = Stream::connect(loop, server.endpoint(), "", [&](Status status) {
    REQUIRE(status.ok());
    client.start({.on_data = [&](std::string_view bytes) { heard += bytes; },
                  .on_end = [&] { client.reset(); },
                  .on_error =
                      [&](const Error&) {
                        failed = true;
                        client.reset();
                      }});
    client.write("content");
  });
  loop.run();
  CHECK(failed);
  CHECK(heard == "552 5.3.4 too big\r\n");
}

// The other end of a pair of Unix sockets.
TEST_CASE("what a process of ours said before it ended is read, though writing to it fails") {
  ::signal(SIGPIPE, SIG_IGN);  // as every process does
  Loop loop;
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  std::string heard;
  bool failed = false;
  auto ours = std::make_unique<Stream>(Stream::adopt(loop, ends[0], Carries::descriptors).take());
  ours->start({.on_data = [&](std::string_view bytes) { heard += bytes; },
               .on_end = [&] { ours.reset(); },
               .on_error =
                   [&](const Error&) {
                     failed = true;
                     ours.reset();
                   }});
  REQUIRE(::write(ends[1], "outcomes", 8) == 8);
  ::close(ends[1]);
  ours->write("a lease");
  loop.run();
  CHECK(failed);
  CHECK(heard == "outcomes");
}

TEST_CASE(
    "what is read is acknowledged at once where its reader says so, 44 ms a filtered message") {
  auto not_acknowledged = [](int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    REQUIRE(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    return info.tcpi_unacked;
  };
  Loop loop;
  int listener = bind_listener({"127.0.0.1", 0, {}}).take();
  Stream client = Stream::connect(loop, bound_endpoint(listener).take(), "",
                                  [&](const Status&) { loop.stop(); });
  loop.run();
  UniqueFd server(::accept(listener, nullptr, nullptr));
  UniqueFd closed_at_end(listener);
  std::string heard;
  bool acknowledges = false;
  client.start({.on_data =
                    [&](std::string_view bytes) {
                      heard += bytes;
                      if (acknowledges) client.acknowledge();
                      loop.stop();
                    },
                .on_end = [] {},
                .on_error = [](const Error&) {}});
  // Questions and answers in turn: from then on the kernel supposes that an acknowledgement can go
  // with the next question.
  char question[8];
  for (int turn = 0; turn < 100 && not_acknowledged(server.get()) == 0; ++turn) {
    client.write("what?");
    REQUIRE(::read(server.get(), question, sizeof question) == 5);
    REQUIRE(::write(server.get(), "a", 1) == 1);
    loop.run();
  }
  REQUIRE(not_acknowledged(server.get()) == 1);
  acknowledges = true;
  client.write("what?");
  REQUIRE(::read(server.get(), question, sizeof question) == 5);
  REQUIRE(::write(server.get(), "b", 1) == 1);
  loop.run();
  CHECK(heard.ends_with("b"));
  CHECK(not_acknowledged(server.get()) == 0);
}

TEST_CASE("a refused connection is told once; a dropped attempt is silent") {
  Loop loop;
  std::uint16_t closed_port;
  {
    Server server(loop, [](Stream) {});
    closed_port = server.port;
    server.listener.reset();
  }
  loop.run();
  int refused = 0;
  Stream first =
      Stream::connect(loop, Endpoint{"127.0.0.1", closed_port, {}}, "", [&](Status status) {
        CHECK_FALSE(status.ok());
        ++refused;
      });
  Stream second = Stream::connect(loop, Endpoint{"127.0.0.1", closed_port, {}}, "",
                                  [&](Status) { refused += 100; });
  second.reset();
  Stream third = Stream::connect(loop, Endpoint{"not an address", 25, {}}, "", [&](Status status) {
    CHECK_FALSE(status.ok());
    ++refused;
  });
  loop.run();
  CHECK(refused == 2);
}

TEST_CASE("a stale unix socket file is replaced, a live one is not") {
  char folder[] = "/tmp/pw-net-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  Endpoint at{{}, 0, std::string(folder) + "/s"};
  Result<int> first = bind_listener(at);
  REQUIRE(first.ok());
  CHECK_FALSE(bind_listener(at).ok());
  ::close(*first);
  Result<int> again = bind_listener(at);
  CHECK(again.ok());
  ::close(*again);
  ::unlink(at.unix_path.c_str());
  ::rmdir(folder);
}

TEST_CASE("S21: a unix socket has its mode and group, whatever the umask") {
  char folder[] = "/tmp/pw-net-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  Endpoint at{{}, 0, std::string(folder) + "/s"};
  for (std::uint32_t mode : {0666U, 0660U, 0600U}) {
    mode_t before = ::umask(077);
    Result<int> fd = bind_listener(at, {mode, ::getegid()});
    CHECK(::umask(before) == 077);
    REQUIRE(fd.ok());
    struct stat info {};
    REQUIRE(::lstat(at.unix_path.c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == mode);
    CHECK(info.st_gid == ::getegid());
    ::close(*fd);
    ::unlink(at.unix_path.c_str());
  }
  ::rmdir(folder);
}

TEST_CASE("a loop with a lingering connection still closes") {
  auto loop = std::make_unique<Loop>();
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  Result<Stream> stream = Stream::adopt(*loop, pair[0]);
  REQUIRE(stream.ok());
  stream->start({.on_data = [](std::string_view) {}});
  stream->write(std::string(4U << 20, 'x'));
  stream->close_after_flush(60s);
  loop.reset();
  ::close(pair[1]);
}
