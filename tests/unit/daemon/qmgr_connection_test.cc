// One connection to qmgr: each way in which it may end, against a server that plays qmgr.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/daemon/qmgr_connection.h"

using namespace postwain;
using namespace postwain::daemon;
using namespace std::chrono_literals;
using End = QmgrConnection::End;

namespace {

class PlayedQmgr {
 public:
  // answer: what the hello is answered with. False: the connection ends.
  using Answer = std::function<bool(IpcConnection&)>;
  explicit PlayedQmgr(Answer answer) : answer_(std::move(answer)) {
    char folder[] = "/tmp/pw-qmgr-connection-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    folder_ = folder;
  }
  ~PlayedQmgr() {
    connection_.reset();
    served_.reset();
    listener_.reset();
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/qmgr.sock"; }
  void listen() {
    listener_ = std::make_unique<net::Listener>(
        loop_, net::bind_listener({{}, 0, path()}).take(), [this](net::Stream stream) {
          served_ = std::make_unique<IpcConnection>(
              loop_, std::move(stream),
              IpcConnection::Callbacks{.on_frame =
                                           [this](ipc::FrameType type, std::string_view payload) {
                                             if (type != ipc::FrameType::hello) return true;
                                             REQUIRE(ipc::decode(payload, hello));
                                             ++hellos;
                                             return answer_(*served_);
                                           },
                                       .on_closed = [this](const std::string&) { hang_up(); }});
        });
  }
  // Until the connection has ended.
  void connect(Status trusted = {}) {
    connection_ = std::make_unique<QmgrConnection>(
        loop_,
        QmgrConnection::Settings{
            .socket_path = path(), .role = ipc::Role::control, .name = "alice"},
        QmgrConnection::Callbacks{
            .check =
                [this, trusted](const std::optional<net::PeerCredentials>& server) {
                  server_uid = server ? server->uid : 0;
                  return trusted;
                },
            .on_welcome = [this](const ipc::Welcome& welcome) { worker = welcome.worker; },
            .on_frame =
                [this](ipc::FrameType, std::string_view) {
                  ++frames;
                  CHECK(connection_->welcomed());
                  return true;
                },
            .on_end =
                [this](End how, const Error& error) {
                  ended = how;
                  code = error.code;
                  text = error.text;
                  connection_.reset();  // its owner may let it go there
                  loop_.stop();
                }});
    net::Timer limit(loop_);
    limit.start(20s, [this] { loop_.stop(); });
    loop_.run();
  }
  // The server ends the connection, some time later.
  void hang_up() {
    timer_.start(10ms, [this] { served_.reset(); });
  }

  ipc::Hello hello;
  int hellos = 0;
  int frames = 0;
  std::uint16_t worker = 0;
  std::uint32_t server_uid = UINT32_MAX;
  std::optional<End> ended;
  int code = 0;
  std::string text;

 private:
  std::string folder_;
  Answer answer_;
  net::Loop loop_;
  net::Timer timer_{loop_};
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<IpcConnection> served_;
  std::unique_ptr<QmgrConnection> connection_;
};

bool welcome(IpcConnection& connection, std::uint16_t version) {
  connection.send(ipc::Welcome{version, 17});
  return true;
}

}  // namespace

TEST_CASE("qmgr that is not there is unreachable, with the errno") {
  PlayedQmgr qmgr([](IpcConnection&) { return false; });
  qmgr.connect();
  CHECK(qmgr.ended == End::unreachable);
  CHECK(qmgr.code == ENOENT);
  CHECK(qmgr.server_uid == UINT32_MAX);
}

TEST_CASE("a stranger at the socket hears no hello") {
  PlayedQmgr qmgr(
      [](IpcConnection& connection) { return welcome(connection, ipc::kProtocolVersion); });
  qmgr.listen();
  qmgr.connect(Error{"a stranger listens", 77});
  CHECK(qmgr.ended == End::untrusted);
  CHECK(qmgr.text == "a stranger listens");
  CHECK(qmgr.code == 77);
  CHECK(qmgr.server_uid == ::geteuid());
  CHECK(qmgr.hellos == 0);
}

TEST_CASE("the hello says who comes, and frames are heard after the welcome") {
  std::unique_ptr<PlayedQmgr> qmgr;
  qmgr = std::make_unique<PlayedQmgr>([&qmgr](IpcConnection& connection) {
    welcome(connection, ipc::kProtocolVersion);
    connection.send(ipc::Admission{});
    qmgr->hang_up();
    return true;
  });
  qmgr->listen();
  qmgr->connect();
  CHECK(qmgr->hello.version == ipc::kProtocolVersion);
  CHECK(qmgr->hello.role == ipc::Role::control);
  CHECK(qmgr->hello.name == "alice");
  CHECK(qmgr->hello.pid == static_cast<std::uint32_t>(::getpid()));
  CHECK(qmgr->worker == 17);
  CHECK(qmgr->frames == 1);
  CHECK(qmgr->ended == End::lost);
}

TEST_CASE("who is not let in is refused: no welcome, one of another version, or something else") {
  PlayedQmgr closes([](IpcConnection&) { return false; });
  closes.listen();
  closes.connect();
  CHECK(closes.ended == End::refused);
  CHECK(closes.hellos == 1);
  PlayedQmgr newer(
      [](IpcConnection& connection) { return welcome(connection, ipc::kProtocolVersion + 1); });
  newer.listen();
  newer.connect();
  CHECK(newer.ended == End::refused);
  CHECK(newer.worker == 0);
  PlayedQmgr hasty([](IpcConnection& connection) {
    connection.send(ipc::Admission{});
    return welcome(connection, ipc::kProtocolVersion);
  });
  hasty.listen();
  hasty.connect();
  CHECK(hasty.ended == End::refused);
  CHECK(hasty.frames == 0);
}
