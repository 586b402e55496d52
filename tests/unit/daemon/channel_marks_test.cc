// Octets that leave at their time only, in clear and under TLS, and however little the kernel
// takes.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/daemon/channel.h"

using namespace postwain;
using namespace postwain::daemon;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<tls::Context> marks_server_context() {
  static const std::shared_ptr<tls::Context> made = [] {
    char folder[] = "/tmp/pw-marks-XXXXXX";
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
  }();
  return made;
}

// A channel whose marked octets leave while `open`, and another one that reads.
struct Pair {
  explicit Pair(bool with_tls, int buffer = 0) : tls(with_tls) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    if (buffer > 0)
      REQUIRE(::setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) == 0);
    reader = std::make_unique<Channel>(
        loop, net::Stream::adopt(loop, fds[1]).take(),
        Channel::Callbacks{.on_data = [this](std::string_view bytes) { got += bytes; },
                           .on_closed = [this](const std::string& why) { end = "end" + why; }});
    sender = std::make_unique<Channel>(loop, net::Stream::adopt(loop, fds[0]).take(),
                                       Channel::Callbacks{
                                           .on_data =
                                               [this](std::string_view bytes) {
                                                 asked += bytes;
                                                 if (on_asked) on_asked();
                                               },
                                           .on_tls = [this] { is_tls = true; },
                                           .on_closed = [](const std::string&) {},
                                           .on_drained = [this] { ++drained; },
                                           .may_leave = [this] { return open; },
                                           .on_left = [this] { ++left; },
                                           .on_held = [this] { ++held; },
                                       });
    if (!tls) return;
    auto client = tls::Context::client(tls::PeerProof::none);
    REQUIRE(client.ok());
    context = client.take();
    reader->start_tls_server(*marks_server_context());
    sender->start_tls_client(*context, "mx.example.org");
    for (int i = 0; i < 200 && !is_tls; ++i) turn();
    REQUIRE(is_tls);
    turn();
  }

  void turn(Duration takes = 2ms) {
    net::Timer timer(loop);
    timer.start(takes, [&] { loop.stop(); });
    loop.run();
  }

  net::Loop loop;
  bool tls;
  bool is_tls = false;
  bool open = false;
  std::size_t left = 0;
  std::size_t held = 0;
  std::size_t drained = 0;
  std::string got;
  std::string asked;
  std::string end;
  std::function<void()> on_asked;
  std::shared_ptr<tls::Context> context;
  std::unique_ptr<Channel> reader;
  std::unique_ptr<Channel> sender;
};

}  // namespace

TEST_CASE("K1: marks: a marked octet and all behind it wait until it may leave") {
  Pair pair(GENERATE(false, true));
  // Under TLS a record that lacks an octet cannot be read.
  const std::string before = pair.tls ? "" : "first one";
  pair.sender->send("first one. then two. rest", {10, 20});
  pair.turn();
  CHECK(pair.got == before);
  CHECK(pair.sender->is_held());
  CHECK(pair.held > 0);
  CHECK(pair.left == 0);
  CHECK(pair.sender->pending() > 0);
  pair.sender->send(" and more");
  pair.sender->look_again();
  pair.turn();
  CHECK(pair.got == before);
  pair.open = true;
  pair.turn();
  CHECK(pair.got == before);  // nobody has looked
  pair.sender->look_again();
  CHECK(pair.left == 2);
  CHECK_FALSE(pair.sender->is_held());
  CHECK(pair.sender->pending() == 0);
  pair.turn();
  CHECK(pair.got == "first one. then two. rest and more");
}

TEST_CASE("K2: marks: while they may leave, all goes at once, as without") {
  Pair pair(GENERATE(false, true));
  pair.open = true;
  pair.sender->send("one.two.", {4, 8});
  CHECK(pair.left == 2);
  CHECK(pair.sender->pending() == 0);
  pair.sender->send("three", {});
  pair.sender->send(".", {1});
  CHECK(pair.left == 3);
  pair.turn();
  CHECK(pair.got == "one.two.three.");
  CHECK(pair.held == 0);
}

TEST_CASE("K3: marks: what is said in answer to something is kept back as well") {
  Pair pair(GENERATE(false, true));
  pair.on_asked = [&] {
    if (pair.asked != "?") return;
    pair.sender->send("an answer.", {10});
  };
  pair.reader->send("?");
  pair.turn();
  CHECK(pair.got == (pair.tls ? "" : "an answer"));
  CHECK(pair.left == 0);
  CHECK(pair.held > 0);
  pair.open = true;
  pair.sender->look_again();
  pair.turn();
  CHECK(pair.got == "an answer.");
  CHECK(pair.left == 1);
}

TEST_CASE("K4: marks: dropped, nothing is sent any more, and TLS does not end in order") {
  Pair pair(GENERATE(false, true));
  pair.sender->send("begun. ");
  pair.sender->send("the end.", {8});
  pair.turn();
  const std::string came = pair.got;
  CHECK(came == (pair.tls ? "begun. " : "begun. the end"));
  pair.sender->drop_held();
  pair.open = true;
  CHECK_FALSE(pair.sender->is_held());
  CHECK(pair.sender->pending() == 0);
  pair.sender->look_again();
  pair.sender->send("more");
  pair.sender->send("more.", {5});
  pair.turn();
  CHECK(pair.got == came);
  CHECK(pair.left == 0);
  pair.sender->close_after_flush();
  pair.sender.reset();
  pair.turn();
  CHECK(pair.got == came);
  CHECK(pair.end.starts_with("end"));
}

TEST_CASE("K5: marks: who closes leaves behind what has not left") {
  Pair pair(GENERATE(false, true));
  pair.sender->send("the end. and more", {8});
  pair.turn();
  pair.open = true;
  SECTION("in order") {
    pair.sender->close_after_flush();
  }
  SECTION("without a word") {}
  pair.sender.reset();
  pair.turn(20ms);
  CHECK(pair.got == (pair.tls ? "" : "the end"));
  CHECK(pair.end.starts_with("end"));
}

TEST_CASE("K6: marks: dropping with nothing kept back changes nothing") {
  Pair pair(GENERATE(false, true));
  pair.open = true;
  pair.sender->send("one.", {4});
  pair.sender->drop_held();
  pair.sender->send("two.", {4});
  pair.turn();
  CHECK(pair.got == "one.two.");
  CHECK(pair.left == 2);
}

// The reader is slow, the kernel takes little, and the time at which marked octets may leave comes
// and goes at random. While it is not there, none of them may reach the reader that had not left.
TEST_CASE("K7: marks: in any pieces, none leaves at the wrong time, and all arrives") {
  Pair pair(GENERATE(false, true), 4096);
  std::mt19937 random(GENERATE(1U, 2U, 3U, 4U));
  std::string whole;
  std::vector<std::size_t> marks;  // in all of it
  std::size_t wrong = 0;
  bool read = true;
  auto add = [&] {
    std::string piece;
    std::vector<std::size_t> ends;
    for (unsigned messages = random() % 5; messages > 0; --messages) {
      piece.append(1 + random() % (random() % 4 == 0 ? 40'000 : 60),
                   static_cast<char>('a' + random() % 26));
      if (random() % 3 == 0) continue;
      ends.push_back(piece.size());
      marks.push_back(whole.size() + piece.size());
    }
    whole += piece;
    pair.sender->send(piece, ends);
  };
  for (int step = 0; step < 400; ++step) {
    if (step < 200 && random() % 3 == 0) add();
    if (random() % 2 == 0) {
      pair.open = !pair.open;
      if (pair.open) pair.sender->look_again();
    }
    if (random() % 3 == 0) read ? pair.reader->pause() : pair.reader->resume();
    read = !read;
    std::size_t limit =
        pair.open || pair.left >= marks.size() ? whole.size() : marks[pair.left] - 1;
    pair.turn(1ms);
    if (pair.got.size() > limit) ++wrong;
  }
  CHECK(wrong == 0);
  pair.open = true;
  pair.reader->resume();
  for (int turn = 0; turn < 3000 && pair.got.size() < whole.size(); ++turn) {
    if (pair.sender->is_held()) pair.sender->look_again();
    pair.turn(1ms);
  }
  CHECK((pair.got == whole));
  CHECK(pair.left == marks.size());
  CHECK(pair.sender->pending() == 0);
}
