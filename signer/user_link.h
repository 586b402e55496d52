// The link to one process that has mail signed: its requests, and the parts of them that wait for
// the desk. What the process must not say ends the link.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/ipc/signer_messages.h"
#include "signer/signing_desk.h"

namespace postwain::signer {

// Parts of requests that are not answered. From here on, or from ipc::kSignRequestsOpenMax requests
// on, nothing more is read from the link until some are.
constexpr std::size_t kPartsOpenMax = 2 * ipc::kSignRequestsOpenMax;
constexpr std::size_t kUnreadOfUsers = 1U << 20;  // octets it has not read; the same

class UserLink final : private TaskSource {
 public:
  // on_end: once; the link may be destroyed from within.
  UserLink(net::Loop& loop, SigningDesk& desk, const ipc::SignerKeys& keys, std::string peer,
           net::Stream stream, std::function<void(UserLink&)> on_end);
  ~UserLink() override;
  UserLink(const UserLink&) = delete;
  UserLink& operator=(const UserLink&) = delete;

  const std::string& peer() const { return peer_; }
  std::size_t open_requests() const { return open_.size(); }

 private:
  struct Open {
    std::uint64_t request = 0;
    std::size_t missing = 0;  // parts
    std::vector<std::string> signatures;
    std::string trouble;
  };
  struct Part {
    std::shared_ptr<Open> of;
    std::size_t place = 0;
    HashOfKey what;
  };

  bool frame(ipc::FrameType type, std::string_view payload);
  bool is_valid(const ipc::SignRequest& request) const;
  std::optional<Task> next_task() override;
  void answered(Open& open, std::size_t place, const Result<std::string>& signature);
  void reply(Open& open);
  bool is_full() const;

  SigningDesk& desk_;
  std::size_t keys_;
  std::string peer_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Open>> open_;
  std::size_t parts_ = 0;  // of all that are open
  std::deque<Part> waiting_;
  std::unique_ptr<daemon::IpcConnection> connection_;
};

}  // namespace postwain::signer
