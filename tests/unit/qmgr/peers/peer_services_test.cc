// Which part of qmgr hears of which peer: real connections, and services that only take notes.
#include <catch2/catch.hpp>

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "common/net/loop.h"
#include "qmgr/peers/peers.h"

using namespace postwain;
using namespace postwain::qmgr;
using ipc::FrameType;
using ipc::Role;

namespace {

class Notes : public PeerService {
 public:
  Notes(std::string name, std::vector<std::string>& all) : name_(std::move(name)), all_(all) {}
  void connected(std::uint64_t peer, daemon::IpcConnection& /*connection*/,
                 const PeerIdentity& identity) override {
    note(fmt::format("connected {} {} {}", peer, ipc::name_of(identity.role), identity.name));
  }
  bool frame(std::uint64_t peer, FrameType type, std::string_view /*payload*/) override {
    note(fmt::format("frame {} {}", peer, static_cast<int>(type)));
    return true;
  }
  void drained(std::uint64_t /*peer*/) override {}
  void lost(std::uint64_t peer) override { note(fmt::format("lost {}", peer)); }

 private:
  void note(const std::string& what) { all_.push_back(name_ + ": " + what); }
  std::string name_;
  std::vector<std::string>& all_;
};

// A peer that says hello, sends one frame that has no content, and goes away.
std::vector<std::string> visit(Role role, FrameType type) {
  std::vector<std::string> notes;
  Notes intake("intake", notes), delivery("delivery", notes), control("control", notes),
      metrics("metrics", notes), tokens("tokens", notes), results("results", notes),
      filters("filters", notes), signers("signers", notes);
  net::Loop loop;
  Peers peers(loop, {}, {intake, delivery, control, metrics, tokens, results, filters, signers});
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  peers.add(net::Stream::adopt(loop, fds[0]).take());
  std::string out;
  REQUIRE(ipc::append_frame(out, ipc::Hello{ipc::kProtocolVersion, role, 1, "visitor"}));
  std::string frame;
  REQUIRE(ipc::append_frame(frame, ipc::SubmitAbort{}));
  // The type lies behind the length (messages.h, codec.h).
  frame[4] = static_cast<char>(static_cast<unsigned>(type) & 0xff);
  frame[5] = static_cast<char>(static_cast<unsigned>(type) >> 8);
  out += frame;
  auto visitor = std::make_unique<daemon::IpcConnection>(
      loop, net::Stream::adopt(loop, fds[1]).take(),
      daemon::IpcConnection::Callbacks{.on_frame = [](FrameType, std::string_view) { return true; },
                                       .on_closed = [](const std::string&) {}});
  visitor->send_frames(out);
  net::Timer look(loop);
  look.repeat(std::chrono::milliseconds(2), [&] {
    if (notes.size() >= 2 && notes.back().find("frame") != std::string::npos) visitor.reset();
    if (!notes.empty() && notes.back().find("lost") != std::string::npos) loop.stop();
  });
  net::Timer limit(loop);
  limit.start(std::chrono::seconds(20), [&] { loop.stop(); });
  loop.run();
  return notes;
}

}  // namespace

TEST_CASE("a peer is served by the part that its role names") {
  using Lines = std::vector<std::string>;
  CHECK(visit(Role::control, FrameType::control_request) ==
        Lines{"control: connected 1 control visitor", "control: frame 1 50", "control: lost 1"});
  CHECK(visit(Role::metrics, FrameType::control_request) ==
        Lines{"metrics: connected 1 metrics visitor", "metrics: frame 1 50", "metrics: lost 1"});
  CHECK(visit(Role::tokens, FrameType::token) ==
        Lines{"tokens: connected 1 tokens visitor", "tokens: frame 1 32", "tokens: lost 1"});
  CHECK(visit(Role::filter, FrameType::peer_link) ==
        Lines{"filters: connected 1 filter visitor", "results: connected 1 filter visitor",
              "filters: frame 1 59", "results: lost 1", "filters: lost 1"});
  CHECK(visit(Role::signer, FrameType::signer_report) ==
        Lines{"signers: connected 1 signer visitor", "signers: frame 1 74", "signers: lost 1"});
}

TEST_CASE("a peer of several services is told of to all, and its frames go to one of them") {
  auto notes = visit(Role::smtp_client, FrameType::tls_results);
  REQUIRE(notes.size() == 7);
  CHECK(notes[0] == "delivery: connected 1 smtp-client visitor");
  CHECK(notes[1] == "results: connected 1 smtp-client visitor");
  CHECK(notes[2] == "signers: connected 1 smtp-client visitor");
  CHECK(notes[3] == "results: frame 1 44");
  // Of the end the first service hears last.
  CHECK(notes[4] == "results: lost 1");
  CHECK(notes[5] == "signers: lost 1");
  CHECK(notes[6] == "delivery: lost 1");
  // The signers' relay sends it links, and gets nothing of it.
  notes = visit(Role::smtp_client, FrameType::peer_link);
  REQUIRE(notes.size() == 7);
  CHECK(notes[3] == "delivery: frame 1 59");
  // Who delivers by LMTP has nothing signed.
  notes = visit(Role::lmtp_client, FrameType::tls_results);
  REQUIRE(notes.size() == 5);
  CHECK(notes[1] == "results: connected 1 lmtp-client visitor");
  CHECK(notes[2] == "results: frame 1 44");
  // What the filter process found goes on to the reporter, and its links and reports do not.
  notes = visit(Role::filter, FrameType::dmarc_results);
  REQUIRE(notes.size() == 5);
  CHECK(notes[0] == "filters: connected 1 filter visitor");
  CHECK(notes[1] == "results: connected 1 filter visitor");
  CHECK(notes[2] == "results: frame 1 47");
  notes = visit(Role::filter, FrameType::tls_results);
  REQUIRE(notes.size() >= 3);
  CHECK(notes[2] == "filters: frame 1 44");
  // smtpd hears from the filters' relay, and sends it nothing.
  notes = visit(Role::smtpd, FrameType::peer_link);
  REQUIRE(notes.size() >= 3);
  CHECK(notes[0] == "intake: connected 1 smtpd visitor");
  CHECK(notes[1] == "filters: connected 1 smtpd visitor");
  CHECK(notes[2] == "intake: frame 1 59");
  // The reporter gets results and sends none: what it sends is a submission, or nothing valid.
  notes = visit(Role::reporter, FrameType::tls_results);
  REQUIRE(notes.size() >= 3);
  CHECK(notes[2] == "intake: frame 1 44");
}

TEST_CASE("each role has its row, and only commands read little") {
  for (int i = 0; i <= static_cast<int>(ipc::kRoleLast); ++i) {
    const PeerKind& kind = peer_kind(static_cast<Role>(i));
    CAPTURE(ipc::name_of(kind.role));
    CHECK(static_cast<int>(kind.role) == i);
    CHECK((kind.unread_max == kUnreadOfCommands) ==
          (kind.is_command || kind.role == Role::metrics));
    // Nobody may look by another role than that of operators.
    CHECK(kind.for_viewers == (kind.role == Role::control));
    // A second service takes frames of agents and of the filter process only.
    CHECK((kind.takes(FrameType::tls_results) == ServiceName::results) ==
          (kind.service == ServiceName::delivery));
    CHECK((kind.takes(FrameType::dmarc_results) == ServiceName::results) ==
          (kind.role == Role::filter));
    CHECK(kind.takes(FrameType::outcomes) == kind.service);
  }
}
