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

int open_files() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                        std::filesystem::directory_iterator()));
}

// What was closed in this turn is gone after the next.
void settle(net::Loop& loop) {
  net::Timer timer(loop);
  timer.start(20ms, [&] { loop.stop(); });
  loop.run();
}

struct Pair {
  Pair(net::Loop& loop, net::Carries carries = net::Carries::bytes) {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    a = net::Stream::adopt(loop, fds[0], carries).take();
    b = net::Stream::adopt(loop, fds[1], carries).take();
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

TEST_CASE("S1: a message too large for a frame ends no process") {
  net::Loop loop;
  Pair pair(loop);
  std::vector<std::uint64_t> seen;
  std::string why;
  IpcConnection receiver(
      loop, std::move(pair.b),
      IpcConnection::Callbacks{.on_frame =
                                   [&](ipc::FrameType, std::string_view payload) {
                                     ipc::SubmitAbort abort;
                                     REQUIRE(ipc::decode(payload, abort));
                                     seen.push_back(abort.id.value);
                                     return true;
                                   },
                               .on_closed = [](const std::string&) {}});
  IpcConnection sender(
      loop, std::move(pair.a),
      IpcConnection::Callbacks{.on_frame = [](ipc::FrameType, std::string_view) { return true; },
                               .on_closed =
                                   [&](const std::string& reason) {
                                     why = reason;
                                     loop.stop();
                                   }});
  std::string large(ipc::kFrameMax, 'x');
  sender.send(ipc::SubmitAbort{mail::QueueId{1}});
  // Whose size others decide: its sender goes on.
  CHECK_FALSE(sender.try_send(ipc::SubmitChunk{mail::QueueId{2}, large}));
  sender.send(ipc::SubmitAbort{mail::QueueId{3}});
  settle(loop);
  CHECK(seen == std::vector<std::uint64_t>{1, 3});
  CHECK(why.empty());
  // What should never be too large ends the connection, behind what was sent before.
  sender.send(ipc::SubmitAbort{mail::QueueId{4}});
  sender.send(ipc::SubmitChunk{mail::QueueId{5}, large});
  loop.run();
  CHECK(why == "a message is too large for a frame");
  settle(loop);
  CHECK(seen == std::vector<std::uint64_t>{1, 3, 4});
}

TEST_CASE("a malformed frame closes its connection and nothing else") {
  for (const std::string& bad :
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

namespace {

// Whether ending a connection leaves alone what lies where the stack was deeper before.
bool ends_cleanly(std::unique_ptr<IpcConnection>& connection) {
  volatile char stack[64 << 10];
  for (std::size_t i = 0; i < sizeof stack; ++i) stack[i] = 0;
  connection.reset();
  for (std::size_t i = 0; i < sizeof stack; ++i)
    if (stack[i] != 0) return false;
  return true;
}

}  // namespace

// Fault: the destructor wrote through a pointer into a stack frame that was gone, whenever the
// owner kept the connection until the end of the turn. Any local user could bring that about in
// qmgr.
TEST_CASE("a connection that outlives its malformed frame writes nowhere when it goes") {
  net::Loop loop;
  Pair pair(loop);
  bool closed = false;
  auto receiver = std::make_unique<IpcConnection>(
      loop, std::move(pair.b),
      IpcConnection::Callbacks{.on_frame = [](ipc::FrameType, std::string_view) { return false; },
                               .on_closed = [&](const std::string&) { closed = true; }});
  pair.a.start({.on_data = [](std::string_view) {}});
  pair.a.write(std::string("\x03\0\0\0\x0a\0x", 7));
  net::Timer stop(loop);
  stop.start(50ms, [&] { loop.stop(); });
  loop.run();
  CHECK(closed);
  CHECK(ends_cleanly(receiver));
}

TEST_CASE("open files arrive with their frames, whatever else is sent") {
  net::Loop loop;
  { Pair first(loop); }  // with it libuv opens what it keeps
  settle(loop);
  int before = open_files();
  {
    Pair pair(loop, net::Carries::descriptors);
    std::vector<std::uint64_t> seen;
    std::unique_ptr<IpcConnection> receiver;
    std::unique_ptr<IpcConnection> sender;
    net::Timer resume(loop);
    constexpr std::uint64_t kFiles = 300;
    receiver = std::make_unique<IpcConnection>(
        loop, std::move(pair.b),
        IpcConnection::Callbacks{
            .on_frame =
                [&](ipc::FrameType type, std::string_view payload) {
                  if (type == ipc::FrameType::submit_chunk) return true;
                  ipc::SubmitFile frame;
                  REQUIRE(ipc::decode(payload, frame));
                  UniqueFd file = receiver->take_descriptor(frame.file);
                  REQUIRE(file);
                  CHECK(*read_small_fd(file.get()) == std::to_string(frame.id.value));
                  seen.push_back(frame.id.value);
                  // Now and then the sender has to wait.
                  if (seen.size() % 50 == 0) {
                    receiver->pause(IpcConnection::Pause::work);
                    resume.start(5ms, [&] { receiver->resume(IpcConnection::Pause::work); });
                  }
                  if (seen.size() == kFiles) loop.stop();
                  return true;
                },
            .on_closed = [&](const std::string&) { FAIL(); }});
    sender = std::make_unique<IpcConnection>(
        loop, std::move(pair.a),
        IpcConnection::Callbacks{.on_frame = [](ipc::FrameType, std::string_view) { return true; },
                                 .on_closed = [](const std::string&) {}});
    std::string filler(90000, 'x');
    for (std::uint64_t i = 1; i <= kFiles; ++i) {
      UniqueFd file(::memfd_create("content", MFD_CLOEXEC));
      REQUIRE(write_all(file.get(), std::to_string(i)).ok());
      ::lseek(file.get(), 0, SEEK_SET);
      if (i % 3 == 0) sender->send(ipc::SubmitChunk{mail::QueueId{i}, filler});
      sender->send(ipc::SubmitFile{mail::QueueId{i}}, std::move(file));
      if (i % 7 == 0) sender->send(ipc::SubmitChunk{mail::QueueId{i}, "behind"});
    }
    loop.run();
    CHECK(seen.size() == kFiles);
    CHECK(std::is_sorted(seen.begin(), seen.end()));
  }
  settle(loop);
  CHECK(open_files() == before);
}

// As when a process may open no more: the frame comes without its file.
TEST_CASE("a frame never gets another frame's file") {
  net::Loop loop;
  Pair pair(loop, net::Carries::descriptors);
  std::vector<std::string> seen;
  std::unique_ptr<IpcConnection> receiver;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  receiver = std::make_unique<IpcConnection>(
      loop, std::move(pair.b),
      IpcConnection::Callbacks{.on_frame =
                                   [&](ipc::FrameType, std::string_view payload) {
                                     ipc::SubmitFile frame;
                                     REQUIRE(ipc::decode(payload, frame));
                                     UniqueFd file = receiver->take_descriptor(frame.file);
                                     seen.push_back(file ? *read_small_fd(file.get()) : "none");
                                     if (seen.size() == 1)
                                       REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
                                     if (seen.size() == 3) loop.stop();
                                     return true;
                                   },
                               .on_closed = [&](const std::string&) { FAIL(); }});
  IpcConnection sender(
      loop, std::move(pair.a),
      IpcConnection::Callbacks{.on_frame = [](ipc::FrameType, std::string_view) { return true; },
                               .on_closed = [](const std::string&) {}});
  for (std::uint64_t i = 1; i <= 3; ++i) {
    UniqueFd file(::memfd_create("content", MFD_CLOEXEC));
    REQUIRE(write_all(file.get(), std::to_string(i)).ok());
    ::lseek(file.get(), 0, SEEK_SET);
    sender.send(ipc::SubmitFile{mail::QueueId{i}}, std::move(file));
  }
  rlimit none{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  loop.run();
  (void)::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(seen == std::vector<std::string>{"none", "2", "3"});
}

TEST_CASE("kind 2: connections that find no descriptor wait, which is told, and are taken then") {
  net::Loop loop;
  char name[] = "/tmp/pw-accept-XXXXXX";
  std::string folder = ::mkdtemp(name);
  std::string path = folder + "/socket";
  std::size_t taken = 0;
  AcceptTrouble trouble;
  std::vector<std::string> told;
  net::Listener listener(loop, net::bind_listener({{}, 0, path}).take(), [&](net::Stream) {
    ++taken;
    loop.stop();
  });
  listener.watch_trouble([&](const Status& status) {
    trouble.note(status);
    told.push_back(trouble.text());
    if (!status) loop.stop();
  });
  UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  loop.run();
  (void)::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("Too many open files (the limit is 3 open files)") != std::string::npos);
  CHECK(taken == 0);
  loop.run();
  CHECK(taken == 1);
  REQUIRE(told.size() == 2);
  CHECK(told[1].empty());
  CHECK(std::system(("rm -r " + folder).c_str()) == 0);
}

TEST_CASE("open files that nobody wants are closed") {
  auto carries = GENERATE(net::Carries::bytes, net::Carries::descriptors);
  net::Loop loop;
  { Pair first(loop); }  // with it libuv opens what it keeps
  settle(loop);
  int before = open_files();
  {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    net::Stream stranger = net::Stream::adopt(loop, fds[0], net::Carries::descriptors).take();
    int frames = 0;
    IpcConnection receiver(loop, net::Stream::adopt(loop, fds[1], carries).take(),
                           IpcConnection::Callbacks{.on_frame =
                                                        [&](ipc::FrameType, std::string_view) {
                                                          if (++frames == 100) loop.stop();
                                                          return true;
                                                        },
                                                    .on_closed = [](const std::string&) {}});
    stranger.start({.on_data = [](std::string_view) {}});
    std::string frame;
    REQUIRE(ipc::append_frame(frame, ipc::SubmitAbort{mail::QueueId{1}}));
    for (int i = 0; i < 100; ++i)
      stranger.write(frame, UniqueFd(::memfd_create("rubbish", MFD_CLOEXEC)));
    loop.run();
    settle(loop);
    CHECK(frames == 100);
    CHECK(open_files() < before + 30);  // few are kept until the connection ends
  }
  settle(loop);
  CHECK(open_files() == before);
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
