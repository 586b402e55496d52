// Leases: which agent does what. One lease is one attempt for some recipients of one message; it
// lives in memory, on the connection of its agent, and ends with exactly one outcome for each of
// its recipients. When the connection is lost, the outstanding ones are in doubt and go back to the
// queue.
//
// After a start nothing is leased before the agents had time to come back and tell what they still
// have of the former qmgr's leases (LateOutcomes).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/net/loop.h"

#include "qmgr/dispatch/connection_leaves.h"
#include "qmgr/dispatch/token_relay.h"
#include "qmgr/peers/peer_service.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

constexpr std::size_t kLeasesPerAgent = 2000;
constexpr std::size_t kAgentBacklog = 8U << 20;  // unsent bytes to one agent
constexpr Duration kAgentsSettle = std::chrono::milliseconds(50);
constexpr Duration kAgentsWait = std::chrono::seconds(2);
constexpr std::size_t kEarlyFramesMax = 10'000;               // of one agent, while qmgr starts
constexpr Duration kAloneWaitMax = std::chrono::seconds(30);  // for an agent to become idle

class Delivery : public PeerService {
 public:
  Delivery(net::Loop& loop, Queue& queue, TokenRelay& tokens);
  ~Delivery() override;
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void drained(std::uint64_t) override { schedule(); }
  void lost(std::uint64_t peer) override;
  // It is known now what a former qmgr had lent (lent_before.h).
  void left_known();

  // Asks the next hop whether it would take this recipient; no message, no scheduling. When it was
  // sent, done is called once, later; not when qmgr ends before.
  using ProbeDone = std::function<void(const mail::Outcome&)>;
  enum class ProbeStart : std::uint8_t {
    sent,
    no_room,   // the agents have too much to do, or nothing is lent at all
    no_agent,  // there is none, as for a moment at each reload
  };
  ProbeStart probe(const Routed& routed, const mail::Address& recipient, ProbeDone done);

  // Where several nodes share the queue: attempts are named in the store before they are lent.
  void name_attempts_first() { names_first_ = true; }
  // Told of outcomes of attempts whose message is another node's by now.
  using OnElsewhere = std::function<void(mail::QueueId, std::uint32_t, const mail::Outcome&)>;
  void on_elsewhere(OnElsewhere tell) { on_elsewhere_ = std::move(tell); }
  // Rates of destinations and of connections hold over several nodes; null: they are this node's
  // own. It outlives this. What it says is looked at by schedule() and by rates_changed().
  void share_rates(SharedRates* rates);
  // More may be known of steps that were asked for, or other nodes have come or are gone. At the
  // end of this turn of the loop leases and connections are given for what may go now. May be
  // called at any time, also from within a call of SharedRates.
  void rates_changed();
  // To all agents, now and when they connect, before they are lent anything. Never called, nothing
  // is said: nobody shares the queue, and agents have nothing to wait for.
  void say_word(const ipc::Word& word);

  // No new leases: their outcomes could not be recorded, or we are about to stop.
  void pause(bool paused);
  // Looks for work at the end of this turn of the loop.
  void schedule();

  std::size_t agents(Pool pool) const;
  // TCP connections to the destination; nothing where its route bounds none, and nobody counts.
  std::optional<ConnectionLedger::Count> connections(const std::string& destination) const;
  std::size_t leases() const;
  // For whoever knows what other nodes have of the same bounds.
  ConnectionLeaves& connection_leaves() { return connections_; }

 private:
  struct Running {
    Pick pick;
    std::vector<std::uint32_t> open;   // no outcome yet
    std::vector<IndexedOutcome> kept;  // for one settlement, and one bounce, at the end
    AttemptSummary summary;
    std::string reason;  // of the last trouble with the destination
  };
  struct Agent {
    std::uint64_t number;
    Pool pool;
    daemon::IpcConnection* connection;
    std::unordered_map<std::uint64_t, Running> leases;
    std::unordered_map<std::uint64_t, ProbeDone> probes;
    std::unordered_map<mail::QueueId, std::vector<std::uint32_t>> still_running;
    // The same for messages that are other nodes' by now.
    std::unordered_map<mail::QueueId, std::vector<std::uint32_t>> runs_elsewhere;
    MonoTime since{};
    std::vector<std::string> early;  // late outcomes before it was known what had been lent
    // Gets nothing else: it is to have, or has, one message that agents died of (verdict.h).
    bool set_apart = false;
    bool leaving = false;  // it drains (ipc::Draining): nothing is lent to it any more
    MonoTime set_apart_at{};
  };

  void pump();
  void open_pools();
  void set_timer();
  void look_at_pools();
  Agent* agent_with_room(Pool pool);
  static bool has_room(const Agent& agent, Pool pool);
  Agent& agent_for(DestinationId destination, Agent& usual);
  Agent* agent_apart(Pool pool);
  void send_suspects();
  void send_lease(Agent& agent, Pick pick);
  std::optional<ipc::Lease> lease_of(std::uint64_t number, const Pick& pick) const;
  // delivery_naming.cc
  void name_attempts();
  void send_named(std::uint64_t peer, std::uint64_t lease);
  void cannot_lend(const Pick& pick);
  bool draining(Agent& agent, std::string_view payload);
  bool outcomes(Agent& agent, std::string_view payload);
  bool probed(Agent& agent, ipc::Outcomes& report);
  bool late_outcomes(std::uint64_t peer, Agent& agent, std::string_view payload);
  void outcomes_elsewhere(Agent& agent, ipc::LateOutcomes late);
  bool token_request(std::uint64_t peer, std::string_view payload);
  bool content_request(std::uint64_t peer, Agent& agent, std::string_view payload);
  void note_lost(std::uint64_t peer, std::uint64_t lease, mail::QueueId id);
  void send_content(std::uint64_t peer, const ipc::Content& content, UniqueFd file);
  void end_lease(Agent& agent, std::uint64_t lease);

  net::Loop& loop_;
  Queue& queue_;
  TokenRelay& tokens_;
  ConnectionLeaves connections_;
  net::Timer wake_;
  net::Timer opening_;
  net::Timer alone_;
  std::deque<Pick> suspects_;  // wait to be alone; no more than the scheduler lets run
  std::optional<WallTime> wake_set_;
  std::map<std::uint64_t, Agent> agents_;
  std::array<bool, kPools> open_{};
  bool paused_ = false;
  bool names_first_ = false;
  bool rates_changed_ = false;
  OnElsewhere on_elsewhere_;
  NameAttempts to_name_;  // of leases that wait for it; they are among those of their agents
  std::vector<std::pair<std::uint64_t, std::uint64_t>> to_send_;  // agent and lease, of the same
  std::optional<ipc::Word> word_;
  std::uint64_t last_lease_ = 0;
};

// The agent is about to end and gives back what it has not begun (common/agent/agent_draining.cc).
bool is_given_back(const mail::Outcome& outcome);

}  // namespace postwain::qmgr
