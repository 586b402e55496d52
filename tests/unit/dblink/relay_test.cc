// Relays with real sockets: TLS with a server that proves who it is, and with others; who is slow
// holds up the other end and fills no memory; and who ends is heard to his last word.
#include <catch2/catch.hpp>

#include <memory>
#include <optional>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon/channel.h"
#include "common/tls/throwaway.h"
#include "db-link/relay.h"

using namespace postwain;
using namespace postwain::dblink;

namespace {

constexpr std::string_view kRequest("\0\0\0\x08\x04\xD2\x16\x2F", 8);

// A server that answers the request for TLS as it is told to, and begins TLS behind an "S".
struct FakeServer {
  FakeServer(net::Loop& its_loop, std::string how, const tls::PairText& pair)
      : loop(its_loop),
        answer(std::move(how)),
        context(*tls::Context::server(pair.certificate, pair.key)),
        fd(*net::bind_listener({"127.0.0.1", 0, {}})),
        listener(loop, fd, [this](net::Stream stream) { take(std::move(stream)); }) {}

  std::uint16_t port() const { return net::bound_endpoint(fd)->port; }

  void take(net::Stream stream) {
    channel = std::make_unique<daemon::Channel>(
        loop, std::move(stream),
        daemon::Channel::Callbacks{
            .on_data = [this](std::string_view bytes) { says(bytes); },
            .on_tls = {},
            .on_closed =
                [this](const std::string& why) {
                  ended = true;
                  end_reason = why;
                },
            .on_drained =
                [this] {
                  if (on_drained) on_drained();
                },
        });
  }

  void says(std::string_view bytes) {
    if (!asked) {
      asked = bytes == kRequest;
      channel->send(answer);
      if (answer == "S") channel->start_tls_server(*context);
      return;
    }
    heard += bytes;
    if (on_heard) on_heard();
  }

  net::Loop& loop;
  std::string answer;
  std::shared_ptr<tls::Context> context;
  int fd;  // the listener's
  net::Listener listener;
  std::unique_ptr<daemon::Channel> channel;
  bool asked = false;
  bool ended = false;
  std::string end_reason;
  std::string heard;
  std::function<void()> on_heard;
  std::function<void()> on_drained;
};

struct RelayRig {
  explicit RelayRig(std::string answer = "S", const std::string& made_out_for = "localhost")
      : pair(*tls::throwaway_pair(made_out_for)),
        server(loop, std::move(answer), pair),
        resolver(dns::Resolver::create(loop, {"127.0.0.1:9"}).take()) {
    target.host = {"localhost", server.port()};
    target.tls = *tls::Context::client({tls::PeerProof::required, {}, pair.certificate});
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    client = net::Stream::adopt(loop, ends[0]).take();
    other_end = ends[1];
  }

  void begin() {
    client.start({.on_data =
                      [this](std::string_view bytes) {
                        answered += bytes;
                        if (on_answer) on_answer();
                      },
                  .on_end =
                      [this] {
                        client_ended = true;
                        loop.stop();
                      },
                  .on_error = [this](const Error&) { client_ended = true; },
                  .on_drained = {}});
    relay.emplace(loop, *resolver, target, net::Stream::adopt(loop, other_end).take(),
                  Relay::Callbacks{.on_reached =
                                       [this](const std::string&, const std::string& version) {
                                         ++reached;
                                         tls_version = version;
                                       },
                                   .on_over =
                                       [this](const std::string& reason) {
                                         why = reason;
                                         ++overs;
                                       }});
  }

  // Turns the loop until that is so; false: it was not within the time.
  bool until(const std::function<bool()>& is_so) {
    net::Timer look(loop);
    int looks = 0;
    look.repeat(std::chrono::milliseconds(2), [&] {
      if (is_so() || ++looks > 5000) loop.stop();
    });
    while (!is_so() && looks <= 5000) loop.run();
    return is_so();
  }
  void wait_a_while() {
    net::Timer timer(loop);
    bool rung = false;
    timer.start(std::chrono::milliseconds(100), [&] { rung = true; });
    until([&] { return rung; });
  }

  net::Loop loop;
  tls::PairText pair;
  FakeServer server;
  std::unique_ptr<dns::Resolver> resolver;
  Target target;
  net::Stream client;
  int other_end = -1;
  std::optional<Relay> relay;
  std::string answered;
  std::function<void()> on_answer;
  bool client_ended = false;
  int reached = 0;
  int overs = 0;
  std::string tls_version;
  std::string why;
};

}  // namespace

TEST_CASE("octets pass in both directions, within TLS") {
  RelayRig rig;
  rig.server.on_heard = [&] { rig.server.channel->send("Z" + rig.server.heard); };
  rig.client.write("startup");
  rig.begin();
  REQUIRE(rig.until([&] { return rig.answered == "Zstartup"; }));
  CHECK(rig.server.asked);
  CHECK(rig.reached == 1);
  CHECK(rig.tls_version == "TLSv1.3");
  // The client's end reaches the server behind its last words.
  rig.client.write("X");
  rig.client.reset();
  REQUIRE(rig.until([&] { return rig.server.ended; }));
  CHECK(rig.server.heard == "startupX");
  CHECK(rig.server.end_reason.empty());
  CHECK(rig.overs == 1);
  CHECK(rig.why.empty());
}

TEST_CASE("a server that does not prove who it is gets nothing of the client") {
  struct {
    const char* answer;
    const char* made_out_for;
    const char* words;
  } rows[] = {
      {"N", "localhost", "it offers no TLS"},
      {"S", "elsewhere.test", "hostname mismatch"},
      {"Sx", "localhost", "before TLS has begun"},
      {"?", "localhost", "does not answer like a PostgreSQL server"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.words);
    RelayRig rig(row.answer, row.made_out_for);
    rig.client.write("secret");
    rig.begin();
    REQUIRE(rig.until([&] { return rig.client_ended && rig.server.ended; }));
    CHECK(rig.why.find(row.words) != std::string::npos);
    CHECK(rig.answered.find(row.words) != std::string::npos);
    CHECK(rig.server.heard.empty());
    CHECK(rig.reached == 0);
    CHECK(rig.overs == 1);
  }
}

TEST_CASE("a certificate of another authority is not believed") {
  RelayRig rig;
  auto other = tls::throwaway_pair("localhost");
  rig.target.tls = *tls::Context::client({tls::PeerProof::required, {}, other->certificate});
  rig.client.write("secret");
  rig.begin();
  REQUIRE(rig.until([&] { return rig.client_ended; }));
  CHECK(rig.why.find("self-signed certificate") != std::string::npos);
  CHECK(rig.server.heard.empty());
}

TEST_CASE("a host where nobody listens is told at once") {
  RelayRig rig;
  UniqueFd unused(*net::bind_listener({"127.0.0.1", 0, {}}));
  rig.target.host.port = net::bound_endpoint(unused.get())->port;
  unused.reset();
  rig.begin();
  REQUIRE(rig.until([&] { return rig.client_ended; }));
  CHECK(rig.why.find("connection refused") != std::string::npos);
  CHECK(rig.reached == 0);
}

TEST_CASE("a client that gives up while the server is silent ends it") {
  RelayRig rig("");
  rig.begin();
  REQUIRE(rig.until([&] { return rig.server.asked; }));
  rig.client.reset();
  REQUIRE(rig.until([&] { return rig.server.ended; }));
  CHECK(rig.overs == 1);
  CHECK(rig.why.empty());
}

TEST_CASE("what the server says last reaches a client that reads slowly") {
  RelayRig rig;
  const std::string last = "Z" + std::string(60'000, 'l');
  rig.server.on_heard = [&] {
    rig.server.channel->send(last);
    rig.server.channel->close_after_flush();
  };
  rig.client.write("startup");
  rig.begin();
  rig.client.pause();
  REQUIRE(rig.until([&] { return rig.overs == 1; }));
  rig.relay.reset();
  rig.client.resume();
  REQUIRE(rig.until([&] { return rig.client_ended; }));
  CHECK(rig.answered == last);
  CHECK(rig.why.empty());
}

// Kernel buffers take a few megabytes over loopback; of all the rest nobody is rid before the slow
// end reads.
TEST_CASE("an end that does not read stops the other one, in both directions") {
  constexpr std::size_t kMuch = 64U << 20;
  constexpr std::size_t kBlock = 1U << 20;
  SECTION("a slow client") {
    RelayRig rig;
    std::size_t sent = 0;
    auto go_on = [&] {
      while (sent < kMuch && rig.server.channel->pending() < kBlock) {
        rig.server.channel->send(std::string(kBlock, 'Z'));
        sent += kBlock;
      }
    };
    rig.server.on_heard = go_on;
    rig.server.on_drained = [&] {
      if (sent > 0) go_on();
    };
    rig.client.write("startup");
    rig.begin();
    rig.client.pause();
    REQUIRE(rig.until([&] { return sent > 0; }));
    rig.wait_a_while();
    std::size_t stuck = sent;
    CHECK(stuck < kMuch / 2);
    rig.wait_a_while();
    CHECK(sent == stuck);
    rig.client.resume();
    REQUIRE(rig.until([&] { return rig.answered.size() == kMuch; }));
    CHECK(rig.answered.find_first_not_of('Z') == std::string::npos);
  }
  SECTION("a slow server") {
    RelayRig rig;
    rig.client.write("startup");
    rig.begin();
    REQUIRE(rig.until([&] { return !rig.server.heard.empty(); }));
    rig.server.heard.clear();
    rig.server.channel->pause();
    std::size_t sent = 0;
    auto write_some = [&] {
      while (sent < kMuch && rig.client.pending() < kBlock) {
        rig.client.write(std::string(kBlock, 'q'));
        sent += kBlock;
      }
    };
    write_some();
    rig.wait_a_while();
    write_some();
    rig.wait_a_while();
    write_some();
    rig.wait_a_while();
    CHECK(sent < kMuch / 2);
    rig.server.channel->resume();
    REQUIRE(rig.until([&] {
      write_some();
      return rig.server.heard.size() == kMuch;
    }));
    CHECK(rig.server.heard.find_first_not_of('q') == std::string::npos);
  }
}
