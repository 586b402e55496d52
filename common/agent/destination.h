// One next hop with its connections: where attempts wait, which connection takes them, and which
// addresses are tried when one must be opened. Attempts with the same transport share a
// destination.
//
// Opening a connection tries at most kAddressesTriedMax addresses, one after the other, as long as
// they fail before the first MAIL; with TLS level "may" a failed handshake is followed by one try
// of the same address in clear. A host that was found to lack something (host_memory.h) is asked
// again at once without it. What a host puts off in a transaction is offered to the next host
// within the same attempt (destination_next_host.cc). Hosts with weights are shuffled for each
// connection. The fallback hosts come when all others have failed, with as many tries of their own.
// When all have failed and no other connection lives, everything that waits is settled with the
// last failure: whether and when to try again is qmgr's business.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "common/agent/connection.h"
#include "common/agent/hosts/next_hosts.h"
#include "common/agent/pacing/growth.h"
#include "common/agent/services.h"

namespace postwain::agent {

constexpr std::size_t kAddressesTriedMax = 5;
// Of all destinations of this process; fewer where it may have fewer descriptors.
constexpr std::size_t kConnectionsMax = 2500;
// Hosts that one attempt may be offered to, one after the other.
constexpr std::size_t kHostsPerAttemptMax = 5;
// Connections of one destination, at most, for what other hosts put off.
constexpr std::size_t kNextHostConnectionsMax = 4;
constexpr unsigned kReturnsMax = 3;  // connections an attempt may be given back by
constexpr Duration kHostsFresh = std::chrono::seconds(60);
// For so long no further connection is tried after one failed while others lived.
constexpr Duration kRefusedGrowth = std::chrono::seconds(60);
// An address that does not answer for so long gets company of the host's other family (RFC 8305 5).
constexpr Duration kFamilyDelay = std::chrono::milliseconds(250);

class Destination : private Connection::Owner {
 public:
  // number: of its own, and the one behind it stands for its connections to next hosts.
  Destination(Services& services, const ipc::Lease& lease, std::uint64_t number);
  ~Destination() override;
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

  bool serves(const ipc::Lease& lease) const;

  void add(Attempt& attempt);
  // Attempts no connection has taken yet; they are the caller's again.
  std::deque<Attempt*> take_waiting();
  // No attempt comes any more: what runs is finished, idle connections end.
  void close();
  // Others wait for one of the connections that were opened in that name (ConnectionPlan::owner).
  // False: it is none of ours.
  bool give_up_connection(std::uint64_t owner);
  // Nothing waits, runs or is looked up.
  bool quiet() const;

 private:
  using Candidates = std::shared_ptr<const std::vector<Candidate>>;
  struct Slot {
    std::unique_ptr<Connection> connection{};
    Candidates hosts{};  // in the order of this connection
    std::size_t candidate = 0;
    std::size_t tried = 0;
    bool in_clear = false;
    bool raced = false;         // the other family has been tried beside it
    std::size_t otherwise = 0;  // times the same address was asked in another way
    // Only for what other hosts put off, and the attempt it was opened for, until it takes that.
    bool next_host = false;
    Attempt* reserved = nullptr;
    // What an earlier host said that may be otherwise at the next try.
    std::optional<mail::Outcome> soft{};
    mail::StageTimes spent{};  // at the hosts before this one
  };

  Attempt* next_attempt(Connection& connection) override;
  bool has_next_host(Connection& connection, const Attempt& attempt) override;
  void go_on(Connection& connection, Attempt& attempt) override;
  bool wants(const Connection& connection) const override;
  void ready(Connection& connection) override;
  void returned(Connection& connection, Attempt& attempt, mail::Outcome outcome) override;
  void over(Connection& connection, mail::Outcome outcome) override;
  void ended(Connection& connection) override;

  void dispatch();
  bool has_attempt_for(const Connection& connection) const;
  bool may_take(const Attempt& attempt, const Connection& connection) const;
  Attempt* give(Attempt& attempt);
  // destination_next_host.cc
  std::vector<Candidate> untried(const Attempt& attempt, const Candidate* failed) const;
  void open_next_hosts();
  Attempt* next_moved(Slot& slot);
  void next_host_over(Slot slot, const Candidate& failed, bool was_ready, bool otherwise,
                      const mail::Outcome& outcome);
  void drop_moved(Attempt& attempt, const mail::Outcome& outcome);
  Connection* idle_connection();
  std::size_t connections_max() const;
  std::vector<ipc::ConnectionBound> bounds_from(const std::string& source) const;
  std::uint64_t owner_of(const Slot& slot) const { return 2 * number_ + (slot.next_host ? 1 : 0); }
  void at_turn_end();
  void end_turn();
  void withdraw_unneeded();
  Load load() const;
  Duration growth_delay() const;
  bool hosts_known();
  void found(NextHosts hosts);
  void open_connection();
  bool open_next(Slot& slot);
  bool next_candidate(Slot& slot, const Candidate& failed, bool otherwise,
                      const mail::Outcome& outcome);
  static bool has_other_family(const Slot& slot);
  bool is_opening(const Slot& slot) const;
  Candidates order();
  std::vector<Candidate> last_tried_last(std::vector<Candidate> hosts) const;
  void add_policy(Attempt& attempt);
  const ClientTls* contexts();
  void race();
  std::string source_for(const Candidate& candidate, bool& possible);
  void over_without_leave(Slot slot, const mail::Outcome& outcome);
  std::size_t slot_of(const Connection& connection) const;
  Slot take_slot(std::size_t index);
  void destroy_later(std::unique_ptr<Connection> connection);
  void fail_waiting(const mail::Outcome& outcome, const mail::StageTimes& spent = {});

  Services& services_;
  std::uint64_t number_;
  mail::Transport transport_;
  std::optional<mail::StsPolicy> known_sts_;  // of the last lease that had one
  std::optional<ClientTls> own_tls_;          // with a certificate of ours
  bool token_refused_ = false;
  std::size_t flight_max_;  // transactions in one flight
  std::deque<Attempt*> waiting_;
  std::deque<Attempt*> moved_;  // put off by a host, waiting for another one
  MonoTime waiting_since_{};
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Connection>> ended_;
  Candidates hosts_;
  std::string mx_set_;
  std::optional<mail::StsPolicy> fresh_sts_;  // for the next attempt to report
  std::minstd_rand random_;                   // shuffles by weight; nothing secret hangs on it
  std::size_t next_source_;  // from any, or many destinations would share the first
  MonoTime hosts_until_{};
  std::vector<Candidate> tls_broken_;  // addresses whose handshake failed, until hosts_until_
  MonoTime no_growth_until_{};
  net::Timer growth_timer_;
  net::Timer family_timer_;
  bool finding_ = false;
  Attempt::Clock::time_point finding_since_;
  mail::StageTimes lookup_;  // how long that took; of the next attempt
  bool closing_ = false;
};

}  // namespace postwain::agent
