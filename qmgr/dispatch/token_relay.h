// Between the delivery clients, who need access tokens to log in with (RFC 7628), and the process
// that runs the programs which print them.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "common/base/result.h"
#include "common/daemon/ipc_connection.h"
#include "common/ipc/messages.h"
#include "common/net/loop.h"

#include "qmgr/peers/peer_service.h"

namespace postwain::qmgr {

// A request waits so long for the process, which may just be starting.
constexpr Duration kTokenTimeout = std::chrono::seconds(10);
constexpr std::size_t kTokenRequestsMax = 10'000;

class TokenRelay : public PeerService {
 public:
  using Done = std::function<void(const Result<std::string>&)>;

  explicit TokenRelay(net::Loop& loop);
  // refused: the token of last time was not taken. done is called once, perhaps before this
  // returns, and not any more when this is destroyed.
  void find(const std::string& command, bool refused, Done done);

  // The process that runs programs. What one that is lost had not answered is asked of the next.
  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void lost(std::uint64_t peer) override;

 private:
  struct Request {
    std::string command;
    bool refused = false;
    Done done;
    std::uint64_t asked = 0;  // whom; 0: nobody yet
    MonoTime since{};
  };
  void ask(std::uint64_t number, Request& request);
  void give_up_waiting();

  net::Timer timeout_;
  std::map<std::uint64_t, Request> requests_;
  std::map<std::uint64_t, daemon::IpcConnection*> runners_;  // the newest is asked
  std::uint64_t last_ = 0;
};

}  // namespace postwain::qmgr
