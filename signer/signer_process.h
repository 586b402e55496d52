// What the process does: takes the links to those who have mail signed, which qmgr hands it, tells
// them which keys there are, and signs what they ask.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/daemon/qmgr_link.h"
#include "common/net/loop.h"
#include "signer/key_ring.h"
#include "signer/signing_desk.h"
#include "signer/user_link.h"

namespace postwain::signer {

constexpr std::size_t kLinksMax = 256;  // more than there ever are users, as in qmgr
constexpr Duration kReportEvery = std::chrono::seconds(1);
// After a reload those who use this process finish their work with it (agent::kDrainMax). Where the
// whole system ends, they end before.
constexpr Duration kDrainMax = std::chrono::seconds(40);

struct Setup {
  std::string name;
  std::string qmgr_socket;  // empty: there is none
  KeyRing ring;
  std::size_t threads = 1;
  std::function<void()> on_ready{};
};

class SignerProcess {
 public:
  SignerProcess(net::Loop& loop, Setup setup);
  ~SignerProcess();
  SignerProcess(const SignerProcess&) = delete;
  SignerProcess& operator=(const SignerProcess&) = delete;

  // Another user of the keys.
  void take_link(const std::string& peer, net::Stream stream);
  std::size_t links() const { return links_.size(); }
  // No new links; calls done when the last one has ended, after kDrainMax at the latest.
  void drain(std::function<void()> done);

 private:
  bool frame(ipc::FrameType type, std::string_view payload);
  void report();
  void look_whether_drained();

  net::Loop& loop_;
  ipc::SignerKeys offered_;
  SigningDesk desk_;
  std::vector<std::unique_ptr<UserLink>> links_;
  std::function<void()> drained_;  // null: it does not end
  MonoTime drain_until_{};
  net::Timer timer_;
  net::Timer reports_;
  std::unique_ptr<daemon::QmgrLink> qmgr_;
};

}  // namespace postwain::signer
