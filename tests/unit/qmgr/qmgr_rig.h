// The queue manager's parts as qmgr.cc joins them, in this process, on a spool that goes away, and
// peers on socket pairs that send whatever they like.
#pragma once

#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/net/loop_clock.h"

#include "qmgr/control/control.h"
#include "qmgr/dispatch/delivery.h"
#include "qmgr/dispatch/link_relay.h"
#include "qmgr/dispatch/result_relay.h"
#include "qmgr/dispatch/token_relay.h"
#include "qmgr/intake/intake.h"
#include "qmgr/peers/peers.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "qmgr/store/writing/store_worker.h"
#include "tests/unit/qmgr/support.h"

namespace postwain::qmgr::test {

// The other end of a connection to qmgr. What came is kept as frames.
class RawPeer {
 public:
  RawPeer(net::Loop& loop, Peers& peers, ipc::Role role, const std::string& name = "peer") {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    peers.add(net::Stream::adopt(loop, fds[0], net::Carries::descriptors).take());
    connection_ = std::make_unique<daemon::IpcConnection>(
        loop, net::Stream::adopt(loop, fds[1], net::Carries::descriptors).take(),
        daemon::IpcConnection::Callbacks{
            .on_frame =
                [this](ipc::FrameType type, std::string_view payload) {
                  came_.emplace_back(type, payload);
                  return true;
                },
            .on_closed = [this](const std::string&) { closed_ = true; }});
    send(ipc::Hello{ipc::kProtocolVersion, role, 1, name});
  }
  template <class Message>
  void send(const Message& message) {
    connection_->send(message);
  }
  // Whole frames, which may say anything.
  void send_octets(const std::string& frame) { connection_->send_frames(frame); }
  // The descriptor that came with that frame.
  UniqueFd take(const ipc::FileMark& mark) { return connection_->take_descriptor(mark); }
  bool closed() const { return closed_; }
  std::size_t count(ipc::FrameType type) const {
    std::size_t n = 0;
    for (const auto& [kind, payload] : came_) n += kind == type ? 1 : 0;
    return n;
  }
  std::vector<ipc::FrameType> order() const {
    std::vector<ipc::FrameType> out;
    for (const auto& [kind, payload] : came_) out.push_back(kind);
    return out;
  }
  // The n-th message of its kind that came.
  template <class Message>
  Message got(std::size_t n = 0) const {
    for (const auto& [kind, payload] : came_) {
      if (kind != Message::kType || n-- > 0) continue;
      Message message;
      REQUIRE(ipc::decode(payload, message));
      return message;
    }
    FAIL("no such frame came");
    return {};
  }
  int code(std::size_t n = 0) const { return got<ipc::SubmitResult>(n).reply.code; }

 private:
  std::unique_ptr<daemon::IpcConnection> connection_;
  std::vector<std::pair<ipc::FrameType, std::string>> came_;
  bool closed_ = false;
};

struct Rig {
  // prepare: what lies in the spool before qmgr starts.
  // cluster: until the end of the rig.
  explicit Rig(const std::function<void(QueueStore&)>& prepare = nullptr,
               ClusterPort* cluster = nullptr) {
    config.hostname = "mx.example.org";
    config.postmaster = "postmaster@example.org";
    config.queue.retry = {std::chrono::hours(1)};
    config.queue.retry_lmtp = {std::chrono::hours(1)};
    config.workers.lmtp_client = 0;
    auto opened = SqliteStore::open(folder.db());
    REQUIRE(opened.ok());
    std::unique_ptr<QueueStore> store = opened.take();
    if (prepare) prepare(*store);
    ContentFolder files(folder.path() + "/content");
    REQUIRE(files.create().ok());
    tokens = std::make_unique<TokenRelay>(loop);
    auto fail = [](const StoreError& error) { FAIL(error.text); };
    worker = std::make_unique<StoreWorker>(loop, std::move(store), files,
                                           StoreWorker::Events{[](StoreTrouble) {}, fail});
    queue = std::make_unique<Queue>(loop, clock, *worker, files, ObservedTime(), config,
                                    QueueHooks{
                                        [this] {
                                          if (delivery) delivery->schedule();
                                        },
                                        fail,
                                        nullptr,
                                        [this] {
                                          if (delivery) delivery->left_known();
                                        },
                                    });
    delivery = std::make_unique<Delivery>(loop, *queue, *tokens);
    probes = std::make_unique<Probes>(loop, *queue, *delivery, config);
    intake = std::make_unique<Intake>(*queue, *probes, config, daemon::LocalUsers{});
    control = std::make_unique<Control>(
        *queue, *delivery,
        Control::Hooks{[](std::string_view) -> Result<bool> { return true; },
                       [] { return ipc::Admission{}; }, nullptr, nullptr, nullptr, nullptr,
                       cluster});
    peers = std::make_unique<Peers>(loop, daemon::PeerUsers{},
                                    Peers::Services{.intake = *intake,
                                                    .delivery = *delivery,
                                                    .control = *control,
                                                    .metrics = control->metrics(),
                                                    .tokens = *tokens,
                                                    .results = reports,
                                                    .filters = filters,
                                                    .signers = signers});
    queue->recover();
  }
  ~Rig() {
    queue->finish();
    peers.reset();
  }

  // False: not within a minute.
  bool until(const std::function<bool()>& done) {
    MonoTime end = mono_now() + std::chrono::minutes(1);
    net::Timer look(loop);
    look.repeat(std::chrono::milliseconds(5), [&] {
      if (done() || mono_now() > end) loop.stop();
    });
    if (!done()) loop.run();
    return done();
  }
  std::unique_ptr<RawPeer> peer(ipc::Role role, const std::string& name = "peer") {
    auto made = std::make_unique<RawPeer>(loop, *peers, role, name);
    REQUIRE(until([&] { return made->count(ipc::FrameType::welcome) == 1; }));
    return made;
  }

  TempFolder folder;
  net::Loop loop;
  config::Config config;
  ReporterBoard reporter_board;
  ResultRelay reports{reporter_board};
  FilterBoard filter_board;
  LinkRelay filters{loop, ipc::Role::filter, filter_board};
  SignerBoard signer_board;
  LinkRelay signers{loop, ipc::Role::signer, signer_board};
  std::unique_ptr<TokenRelay> tokens;
  net::LoopClock clock{loop};
  std::unique_ptr<StoreWorker> worker;
  std::unique_ptr<Queue> queue;
  std::unique_ptr<Delivery> delivery;
  std::unique_ptr<Probes> probes;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<Control> control;
  std::unique_ptr<Peers> peers;
};

}  // namespace postwain::qmgr::test
