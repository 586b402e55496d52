// One connection to one `signer` process, and what is asked over it. A signer that is replaced at a
// reload has an older connection until what was asked there is answered.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/daemon/signer_port.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

namespace postwain::daemon {

// Requests that are not answered. The signer reads ipc::kSignRequestsOpenMax of them, the others
// lie in between.
constexpr std::size_t kSignRequestsAskedMax = 20'000;

class SignerConnection {
 public:
  // Each is called from the connection's own code, so it is destroyed later only.
  struct Callbacks {
    std::function<void()> on_keys;
    // It has ended; give_up() has what was asked.
    std::function<void(const std::string& why)> on_lost;
    std::function<void()> on_idle;  // the last request has been answered
  };

  SignerConnection(net::Loop& loop, net::Stream stream, Callbacks callbacks);
  SignerConnection(const SignerConnection&) = delete;
  SignerConnection& operator=(const SignerConnection&) = delete;

  bool up() const { return keys_known_; }
  const std::vector<ipc::SignerKey>& keys() const { return keys_; }
  bool is_idle() const { return asked_.empty(); }
  bool is_full() const { return asked_.size() >= kSignRequestsAskedMax; }

  // parts: of keys() and within the bounds of the frame. The number was not used here before.
  void sign(std::uint64_t request, SignerPort::Parts parts, SignerPort::Done done);
  // True: it was asked here. Its answer is awaited all the same, and heard by nobody.
  bool cancel(std::uint64_t request);
  // Those who still wait, each with his number.
  using Waiting = std::vector<std::pair<std::uint64_t, SignerPort::Done>>;
  Waiting give_up();

 private:
  struct Asked {
    std::size_t parts = 0;
    SignerPort::Done done;  // null: nobody waits any more
  };

  bool frame(ipc::FrameType type, std::string_view payload);
  bool take_keys(std::string_view payload);
  bool take_reply(std::string_view payload);

  Callbacks callbacks_;
  std::unordered_map<std::uint64_t, Asked> asked_;
  std::vector<ipc::SignerKey> keys_;
  bool keys_known_ = false;
  IpcConnection ipc_;
};

}  // namespace postwain::daemon
