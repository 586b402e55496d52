// The command server with the real parts of qmgr, asked over a connection.
#include <catch2/catch.hpp>

#include "common/base/sysexits.h"
#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

// The last answer to a request that gets one answer.
ipc::ControlReply asked(Rig& rig, RawPeer& peer, std::uint64_t number, const std::string& json) {
  std::size_t before = peer.count(FrameType::control_reply);
  peer.send(ipc::ControlRequest{number, json});
  REQUIRE(rig.until([&] { return peer.count(FrameType::control_reply) > before; }));
  auto reply = peer.got<ipc::ControlReply>(before);
  CHECK(reply.request == number);
  CHECK(reply.last);
  return reply;
}

}  // namespace

TEST_CASE("each command of operators has somebody who answers") {
  Rig rig;
  auto peer = rig.peer(Role::control);
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < ipc::kOperatorCommands; ++i) {
    auto command = static_cast<ipc::OperatorCommand>(i);
    // A watch has no last answer.
    if (command == ipc::OperatorCommand::watch) continue;
    std::string word(ipc::word_of(command));
    CAPTURE(word);
    auto reply = asked(rig, *peer, ++number, R"({"command":")" + word + "\"}");
    bool unknown = reply.json.find("unknown command") != std::string::npos;
    CHECK(unknown == (command == ipc::OperatorCommand::processes));
  }
  auto reply = asked(rig, *peer, ++number, R"({"command":"dance"})");
  CHECK(reply.json == R"({"error":"unknown command 'dance'"})");
  CHECK(reply.exit_code == kExitUsage);
  reply = asked(rig, *peer, ++number, R"({"command":"queue hold"})");
  CHECK(reply.json == R"({"error":"say which messages: --all or a filter"})");
  reply = asked(rig, *peer, ++number, R"({"command":"queue hold","filter":{"all":true}})");
  CHECK(reply.json == R"({"matched":0,"changed":0,"recipients":0,"recipients_changed":0})");
}

TEST_CASE("what is the supervisor's goes to it and back, and ends when it is gone") {
  Rig rig;
  auto peer = rig.peer(Role::control);
  auto reply = asked(rig, *peer, 1, R"({"command":"stop"})");
  CHECK(reply.json == R"({"error":"no supervisor is running"})");
  CHECK(reply.exit_code == kExitUnavailable);
  auto supervisor = rig.peer(Role::supervisor);
  reply = asked(rig, *supervisor, 7, R"({"command":"processes","state":"draining"})");
  CHECK(reply.json == R"({"ok":true})");
  CHECK(asked(rig, *peer, 2, R"({"command":"status"})").json.find("draining") != std::string::npos);

  peer->send(ipc::ControlRequest{3, R"({"command":"reload","x":1})"});
  REQUIRE(rig.until([&] { return supervisor->count(FrameType::control_request) == 1; }));
  auto relayed = supervisor->got<ipc::ControlRequest>();
  CHECK(relayed.json == R"({"command":"reload","x":1})");
  std::size_t before = peer->count(FrameType::control_reply);
  supervisor->send(ipc::ControlReply{relayed.request, true, kExitConfig, R"({"error":"e"})"});
  REQUIRE(rig.until([&] { return peer->count(FrameType::control_reply) > before; }));
  CHECK(peer->got<ipc::ControlReply>(before).request == 3);
  CHECK(peer->got<ipc::ControlReply>(before).exit_code == kExitConfig);

  peer->send(ipc::ControlRequest{4, R"({"command":"stop"})"});
  REQUIRE(rig.until([&] { return supervisor->count(FrameType::control_request) == 2; }));
  supervisor.reset();
  REQUIRE(rig.until([&] { return peer->count(FrameType::control_reply) > before + 1; }));
  CHECK(peer->got<ipc::ControlReply>(before + 1).json == R"({"error":"the supervisor is gone"})");
  // Nobody else may answer for it.
  peer->send(ipc::ControlReply{1, true, 0, "{}"});
  CHECK(rig.until([&] { return peer->closed(); }));
}

TEST_CASE("the process metrics hears the metrics, whatever it asks") {
  Rig rig;
  auto peer = rig.peer(Role::metrics);
  auto reply = asked(rig, *peer, 5, R"({"command":"queue cancel","filter":{"all":true}})");
  CHECK(reply.json.find("# TYPE postwain_") != std::string::npos);
  CHECK(reply.exit_code == kExitOk);
}
