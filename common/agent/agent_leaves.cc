// Leaves for connections that are counted over all delivery clients: qmgr gives them, and here
// stands which ones this process has.
#include <utility>

#include "common/agent/agent.h"

namespace postwain::agent {

// Given back when the last who keeps it is gone, which may be a socket that outlives its owner.
class Agent::HeldLeave {
 public:
  HeldLeave(std::weak_ptr<Agent*> agent, std::uint64_t request)
      : agent_(std::move(agent)), request_(request) {}
  ~HeldLeave() {
    if (auto agent = agent_.lock()) (*agent)->give_leave_back(request_);
  }
  HeldLeave(const HeldLeave&) = delete;
  HeldLeave& operator=(const HeldLeave&) = delete;

 private:
  std::weak_ptr<Agent*> agent_;
  std::uint64_t request_;
};

std::shared_ptr<void> Agent::ask_leave(std::uint64_t owner,
                                       std::vector<ipc::ConnectionBound> bounds, LeaveDone done) {
  std::uint64_t request = ++serial_;
  if (link_.up())
    link_.send(ipc::ConnectionRequest{request, owner, false, bounds});
  else
    loop_.at_turn_end(&connection_leaves_, [this] { refuse_leaves(); });
  connection_leaves_.emplace(request, Leave{owner, std::move(bounds), std::move(done)});
  return std::make_shared<HeldLeave>(self_, request);
}

bool Agent::take_grant(std::string_view payload) {
  ipc::ConnectionGrant grant;
  if (!ipc::decode(payload, grant)) return false;
  auto found = connection_leaves_.find(grant.request);
  // It was given back meanwhile, and qmgr will have heard of that.
  if (found == connection_leaves_.end()) return true;
  if (LeaveDone done = std::exchange(found->second.done, nullptr)) done(true);
  return true;
}

bool Agent::take_wanted(std::string_view payload) {
  ipc::ConnectionWanted wanted;
  if (!ipc::decode(payload, wanted)) return false;
  for (auto& [key, destination] : destinations_)
    if (destination->give_up_connection(wanted.owner)) break;
  return true;
}

void Agent::give_leave_back(std::uint64_t request) {
  if (connection_leaves_.erase(request) > 0 && link_.up()) link_.send(ipc::ConnectionEnd{request});
}

// Who waited for one waits in vain.
void Agent::refuse_leaves() {
  std::vector<LeaveDone> waiting;
  for (auto& [request, leave] : connection_leaves_)
    if (leave.done) waiting.push_back(std::exchange(leave.done, nullptr));
  for (LeaveDone& done : waiting) done(false);
}

// A new qmgr has to know of the connections that are open.
void Agent::send_leaves() {
  for (const auto& [request, leave] : connection_leaves_)
    if (!leave.done) link_.send(ipc::ConnectionRequest{request, leave.owner, true, leave.bounds});
}

}  // namespace postwain::agent
