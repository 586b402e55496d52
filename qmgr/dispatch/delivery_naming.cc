// Attempts that are named in the store before an agent hears of them, because another node may have
// to know what this one may have delivered.
#include <utility>

#include "qmgr/disk/failpoint.h"
#include "qmgr/dispatch/delivery.h"

namespace postwain::qmgr {

namespace {

mail::Outcome not_begun(const char* why) {
  return mail::local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::nobody,
                             {4, 3, 2}, why);
}

}  // namespace

// All that this turn of the loop lends, with one commit.
void Delivery::name_attempts() {
  queue_.store().write(AttemptFact(std::exchange(to_name_, {})),
                       [this, leases = std::exchange(to_send_, {})] {
                         for (const auto& [peer, lease] : leases) send_named(peer, lease);
                       });
}

// The agent may have gone meanwhile, and its leases with it; or it ends, and has been promised that
// nothing comes any more.
void Delivery::send_named(std::uint64_t peer, std::uint64_t number) {
  auto found = agents_.find(peer);
  if (found == agents_.end()) return;
  Agent& agent = found->second;
  auto running = agent.leases.find(number);
  if (running == agent.leases.end()) return;
  std::optional<ipc::Lease> lease;
  if (!agent.leaving) lease = lease_of(number, running->second.pick);
  if (lease) {
    (void)failpoint(Failpoint::lease_send);
    if (agent.connection->try_send(*lease)) return;
    Pick pick = std::move(running->second.pick);
    agent.leases.erase(running);
    return cannot_lend(pick);
  }
  std::vector<IndexedOutcome> outcomes;
  for (std::uint32_t index : running->second.open)
    outcomes.push_back({index, not_begun("the delivery client is shutting down")});
  queue_.leasing().settle(running->second.pick.job.id, std::move(outcomes));
  end_lease(agent, number);
}

}  // namespace postwain::qmgr
