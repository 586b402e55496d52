// A delivery client and the queue manager, both real, with a wire between them that passes frames
// one by one and is cut anywhere: what becomes of the leases that were on their way to a client
// that drains.
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/agent/agent.h"

#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMessages = 3;

struct NoHosts : agent::HostFinder {
  void find(const mail::Transport&, const mail::StsPolicy*,
            std::function<void(agent::NextHosts)>) override {}
};

std::string frame_of(FrameType type, std::string_view payload) {
  auto size = static_cast<std::uint32_t>(payload.size() + 2);
  auto kind = static_cast<std::uint16_t>(type);
  std::string out(sizeof size + sizeof kind, '\0');
  std::memcpy(out.data(), &size, sizeof size);
  std::memcpy(out.data() + sizeof size, &kind, sizeof kind);
  return out.append(payload);
}

// Between the socket that clients connect to and the peers of qmgr.
class Wire {
 public:
  Wire(net::Loop& loop, Peers& peers, const std::string& path) : loop_(loop), peers_(peers) {
    listener_ = std::make_unique<net::Listener>(
        loop, net::bind_listener({{}, 0, path}).take(),
        [this](net::Stream stream) { accept(std::move(stream)); }, net::Carries::descriptors);
  }

  // From now on frames wait here, to qmgr (up) and from it (down).
  void hold() { holding_ = true; }
  std::size_t waiting_down() const { return down_.size(); }
  std::size_t waiting_up() const { return up_.size(); }
  void pass_down() { pass(down_, *client_); }
  void pass_up() { pass(up_, *server_); }
  // Nobody can come back.
  void cut() {
    listener_.reset();
    server_.reset();
    client_.reset();
  }

 private:
  using Side = std::unique_ptr<daemon::IpcConnection>;

  void accept(net::Stream stream) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    peers_.add(net::Stream::adopt(loop_, ends[0], net::Carries::descriptors).take());
    server_ = connect(net::Stream::adopt(loop_, ends[1], net::Carries::descriptors).take(), down_,
                      client_);
    client_ = connect(std::move(stream), up_, server_);
  }
  Side connect(net::Stream stream, std::deque<std::string>& queue, Side& other) {
    return std::make_unique<daemon::IpcConnection>(
        loop_, std::move(stream),
        daemon::IpcConnection::Callbacks{
            .on_frame =
                [this, &queue, &other](FrameType type, std::string_view payload) {
                  queue.push_back(frame_of(type, payload));
                  if (!holding_) pass(queue, *other);
                  return true;
                },
            .on_closed = [](const std::string&) {},
            .on_drained = {}});
  }
  static void pass(std::deque<std::string>& queue, daemon::IpcConnection& to) {
    to.send_frames(queue.front());
    queue.pop_front();
  }

  net::Loop& loop_;
  Peers& peers_;
  std::unique_ptr<net::Listener> listener_;
  std::deque<std::string> up_;
  std::deque<std::string> down_;
  Side client_;
  Side server_;
  bool holding_ = false;
};

// Some messages are lent to a client; the leases are on the wire.
struct Scene {
  Scene() : wire(rig.loop, *rig.peers, rig.folder.path() + "/qmgr.sock") {
    ::signal(SIGPIPE, SIG_IGN);  // as every process does
    config.hostname = "us.example";
    config.runtime_dir = rig.folder.path();
    client = std::make_unique<agent::Agent>(
        rig.loop, config, hosts,
        agent::Agent::Setup{
            .name = "smtp-client[0]", .on_ready = {}, .on_drained = [this] { drained = true; }});
    sender = rig.peer(Role::smtpd);
    REQUIRE(rig.until([&] { return rig.delivery->agents(Pool::smtp) == 1; }));
    wire.hold();
    for (std::size_t i = 0; i < kMessages; ++i) submit();
    REQUIRE(rig.until([&] { return wire.waiting_down() == kMessages; }));
  }

  void submit() {
    static const mail::QueueId first = mail::QueueId::first_of(wall_now()).with_worker(5);
    ++sent;
    mail::Envelope envelope;
    envelope.reverse_path = mail::Address::from_text("a@b.test");
    envelope.recipients.push_back(
        {mail::Address::from_text("v@" + std::to_string(sent) + ".test"), {}, {}});
    sender->send(ipc::Submit{mail::QueueId{first.value | sent},
                             0,
                             envelope,
                             {"ESMTP", "198.51.100.7", "there", "", wall_now()},
                             false,
                             "Subject: x\r\n\r\nhi\r\n"});
    REQUIRE(rig.until([&] { return sender->count(FrameType::submit_result) == sent; }));
  }
  void up() {
    REQUIRE(rig.until([&] { return wire.waiting_up() > 0; }));
    wire.pass_up();
    settle();
  }
  void down() {
    REQUIRE(rig.until([&] { return wire.waiting_down() > 0; }));
    wire.pass_down();
    settle();
  }
  // Several turns of the loop, and several looks of a client that drains.
  void settle(Duration time = 5ms) {
    MonoTime end = mono_now() + time;
    REQUIRE(rig.until([end] { return mono_now() >= end; }));
  }
  std::uint64_t in_doubt() const { return rig.queue->metrics().in_doubt; }

  Rig rig;
  config::Config config;
  NoHosts hosts;
  bool drained = false;
  Wire wire;
  std::unique_ptr<agent::Agent> client;
  std::unique_ptr<RawPeer> sender;
  std::size_t sent = 0;
};

// So many frames passed before the cut.
struct Cut {
  std::size_t up;
  std::size_t down;
};

std::vector<Cut> every_cut() {
  std::vector<Cut> out;
  for (std::size_t up = 0; up <= 1 + kMessages; ++up)
    for (std::size_t down = 0; down <= kMessages + 1; ++down) {
      bool answered = up > 0 || down <= kMessages;
      // The first frame upwards says that the client drains; the others give back what it has read.
      bool read = up <= 1 + std::min(down, kMessages);
      if (answered && read) out.push_back({up, down});
    }
  return out;
}

}  // namespace

TEST_CASE("a message waits in doubt after a reload: a client that drains leaves no lease unread") {
  Scene scene;
  scene.client->drain();
  scene.settle(100ms);
  CHECK_FALSE(scene.drained);
  scene.up();
  for (std::size_t i = 0; i < kMessages; ++i) scene.down();
  scene.settle(100ms);
  CHECK_FALSE(scene.drained);
  scene.down();
  while (scene.rig.delivery->leases() > 0) scene.up();
  REQUIRE(scene.rig.until([&] { return scene.drained; }));
  scene.client.reset();
  scene.wire.cut();
  REQUIRE(scene.rig.until([&] { return scene.rig.delivery->agents(Pool::smtp) == 0; }));
  CHECK(scene.in_doubt() == 0);
  // Nothing has been tried, so it is lent again at once.
  auto next = scene.rig.peer(Role::smtp_client);
  REQUIRE(scene.rig.until([&] { return next->count(FrameType::lease) == kMessages; }));
}

TEST_CASE("a client that drains is cut off at every step") {
  enum class End : std::uint8_t { killed, alone };
  for (End end : {End::killed, End::alone}) {
    for (Cut cut : every_cut()) {
      CAPTURE(end == End::killed, cut.up, cut.down);
      Scene scene;
      scene.client->drain();
      if (cut.up > 0) scene.up();
      for (std::size_t i = 0; i < cut.down; ++i) scene.down();
      for (std::size_t i = 1; i < cut.up; ++i) scene.up();
      if (end == End::killed) scene.client.reset();
      scene.wire.cut();
      REQUIRE(scene.rig.until([&] { return scene.rig.delivery->agents(Pool::smtp) == 0; }));
      // What was not given back may have been carried out: nobody knows.
      std::size_t given_back = cut.up > 0 ? cut.up - 1 : 0;
      CHECK(scene.in_doubt() == kMessages - given_back);
      CHECK(scene.rig.delivery->leases() == 0);
      if (end == End::alone) CHECK(scene.rig.until([&] { return scene.drained; }));
    }
  }
}

TEST_CASE("a client that drains is lent nothing more, and the next one is") {
  Scene scene;
  scene.client->drain();
  scene.up();
  std::size_t on_the_wire = scene.wire.waiting_down();
  CHECK(on_the_wire == kMessages + 1);
  scene.submit();
  scene.settle(50ms);
  CHECK(scene.wire.waiting_down() == on_the_wire);
  auto next = scene.rig.peer(Role::smtp_client);
  REQUIRE(scene.rig.until([&] { return next->count(FrameType::lease) == 1; }));
  CHECK(next->got<ipc::Lease>().recipients.front().recipient.address.text() == "v@4.test");
}

TEST_CASE("who says twice that it drains is no client of ours") {
  Rig rig;
  auto client = rig.peer(Role::smtp_client);
  client->send(ipc::Draining{});
  REQUIRE(rig.until([&] { return client->count(FrameType::nothing_more) == 1; }));
  CHECK_FALSE(client->closed());
  client->send(ipc::Draining{});
  CHECK(rig.until([&] { return client->closed(); }));
}

TEST_CASE("a recipient that a client had been asked about when it drained is asked of the next") {
  Rig rig;
  REQUIRE(rig.until([&] { return rig.queue->start().holds_known(); }));
  std::vector<ipc::ProbeVerdict> said;
  auto first = rig.peer(Role::smtp_client);
  rig.probes->ask(mail::Address::from_text("v@x.test"),
                  [&](ipc::ProbeVerdict verdict, const mail::Reply&) { said.push_back(verdict); });
  REQUIRE(rig.until([&] { return first->count(FrameType::lease) == 1; }));
  CHECK(first->got<ipc::Lease>().probe);
  first->send(ipc::Draining{});
  mail::Outcome back =
      mail::local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::nobody,
                          {4, 3, 2}, "the delivery client is shutting down");
  first->send(ipc::Outcomes{first->got<ipc::Lease>().lease, true, {{0, back}}, {}});
  REQUIRE(rig.until([&] { return first->count(FrameType::nothing_more) == 1; }));
  CHECK(said.empty());
  auto next = rig.peer(Role::smtp_client);
  REQUIRE(rig.until([&] { return next->count(FrameType::lease) == 1; }));
  mail::Outcome no = back;
  no.disposition = mail::Disposition::failed;
  no.stage = mail::Stage::rcpt;
  no.blame = mail::Blame::recipient;
  no.reply = {550, {5, 1, 1}, "nobody here"};
  next->send(ipc::Outcomes{next->got<ipc::Lease>().lease, true, {{0, no}}, {}});
  REQUIRE(rig.until([&] { return !said.empty(); }));
  CHECK(said == std::vector{ipc::ProbeVerdict::bad});
}

TEST_CASE("where no client comes, a recipient that is asked about is soon undecided") {
  Rig rig;
  REQUIRE(rig.until([&] { return rig.queue->start().holds_known(); }));
  std::vector<ipc::ProbeVerdict> said;
  MonoTime began = mono_now();
  rig.probes->ask(mail::Address::from_text("v@x.test"),
                  [&](ipc::ProbeVerdict verdict, const mail::Reply&) { said.push_back(verdict); });
  CHECK(said.empty());
  REQUIRE(rig.until([&] { return !said.empty(); }));
  CHECK(said == std::vector{ipc::ProbeVerdict::undecided});
  CHECK(mono_now() - began >= kProbeRetryPause * (kProbeRetriesMax - 1));
  CHECK(mono_now() - began < 20s);
}
