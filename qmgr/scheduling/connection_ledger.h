// How many TCP connections the delivery clients have open, where routes bound them: who may open
// one, who waits in line, and who is to give one up. Pure; told the time.
//
// What counts together is a connection group: an MX set, or the hosts a route names, from one
// source address. Its name is that of the hosts, a line end, and the source address. A client asks
// before it connects and tells when the connection is gone; only then, and after kPlaceRest
// (kLostRest where the client died), the place is somebody else's, since the peer may see the end
// of the old one later than the beginning of the new one. So there are never more than the bound
// says, whichever processes have them.
//
// Where several nodes share the queue, a bound holds over all of them: then share() says how many
// of a group this node may have (qmgr/cluster/place_shares.h). So does a rate, in steps that are
// asked for last, when there is a place (shared_rates.h). Who says another rate of a group than
// others is counted apart from them: so nobody waits for a rate that somebody else has invented.
//
// Places go round: whoever has none and waits gets one from those who have most. Owners are parts
// of a client (common/agent/destination.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/time.h"
#include "common/ipc/messages.h"

#include "qmgr/scheduling/step_wait.h"

namespace postwain::qmgr {

constexpr Duration kPlaceRest = std::chrono::milliseconds(25);
constexpr Duration kLostRest = std::chrono::seconds(1);  // of those nobody could end in order
constexpr std::size_t kConnectionsOfPeerMax = 10'000;    // open and waited for
constexpr std::size_t kGroupOctetsMax = 64U << 10;
constexpr std::size_t kGroupOctetsOfPeerMax = 16U << 20;  // of all it has open or waits for
constexpr Duration kConnectionPeriodMax = std::chrono::hours(24);  // of a rate

class ConnectionLedger {
 public:
  using Peer = std::uint64_t;  // a delivery client
  struct Grant {
    Peer peer;
    std::uint64_t request;
  };
  struct Wanted {
    Peer peer;
    std::uint64_t owner;
  };

  // False: no client of ours would ask so (bounds beyond reason, a number twice, too many). The
  // bounds are the client's word: one that was taken over may keep places and rates of a group from
  // others for as long as it lives. Then nobody waits for longer than his own rate demands.
  bool ask(Peer peer, const ipc::ConnectionRequest& request, MonoTime now);
  // The connection is gone, or not needed. One that is not known is of no interest.
  void end(Peer peer, std::uint64_t request, MonoTime now);
  void lost(Peer peer, MonoTime now);  // the client has ended, and all its connections with it
  void advance(MonoTime now);
  // Before that nothing is given: clients of a former qmgr have to tell first what they have open.
  void open(MonoTime now);

  // What this node may have of a bound that holds over several nodes.
  struct Allowance {
    std::string group;
    std::uint32_t places = 0;
    bool press = false;  // connections beyond that are asked to end
  };
  // Groups without an allowance have one place where their bound is free_from or more, and none
  // where it is less. No free_from: the bounds are this node's own, as they are before the first
  // call. The allowances of former calls end.
  void share(std::optional<std::uint32_t> free_from, const std::vector<Allowance>& allowances,
             MonoTime now);
  // Of every group with a bound in which a place is used or waited for.
  struct Demand {
    std::string group;
    std::uint32_t limit = 0;  // the least that anybody there has said
    std::uint32_t used = 0;   // open, or resting
    std::uint32_t waiting = 0;
  };
  std::vector<Demand> demands() const;

  // Rates that hold over several nodes; null: they are this node's own. It outlives the ledger.
  void share_rates(SharedRates* rates) { rates_ = rates; }
  // More may be known of steps that were asked for.
  void rates_changed(MonoTime now);

  // What is to be told; each once.
  std::vector<Grant> take_grants() { return std::exchange(grants_, {}); }
  std::vector<Wanted> take_wanted() { return std::exchange(wanted_, {}); }
  std::optional<MonoTime> wake_at() const;

  // Of the groups with that MX set or these hosts, from all source addresses.
  struct Count {
    std::uint32_t open = 0;
    std::uint32_t waiting = 0;  // in line
    // Where other nodes have the rest of them: as many as this one may have.
    std::optional<std::uint32_t> places;
  };
  Count count(const std::string& hosts) const;

  std::size_t groups() const { return groups_.size(); }

 private:
  using Key = std::pair<Peer, std::uint64_t>;  // of an entry: its request
  using Owner = std::pair<Peer, std::uint64_t>;
  struct Entry {
    std::uint64_t owner = 0;
    std::uint64_t turn = 0;  // its place in line, while it waits
    MonoTime since{};        // it waits
    bool given = false;
    std::vector<ipc::ConnectionBound> bounds;
  };
  struct OfPeer {
    std::size_t entries = 0;
    std::size_t octets = 0;
  };
  struct Holder {
    std::uint32_t open = 0;
    std::uint32_t asked = 0;  // to give up, of those
  };
  struct Group {
    std::uint32_t open = 0;
    std::multiset<MonoTime> resting;  // places, until when
    MonoTime rate_next{};
    MonoTime rate_alone{};              // the same without what went while the rate was shared
    StepWait<MonoTime> told;            // of the rate that was asked for last
    MonoTime step_wake{};               // the group is looked at then, for a step that is told
    MonoTime given_at{};                // the last one
    std::map<std::uint64_t, Key> line;  // by turn
    std::map<Owner, Holder> holders;
    std::uint32_t most = 0;  // the bound of the last one that was given
    std::optional<std::uint32_t> allowed;
    bool press = false;
    std::uint32_t used() const { return open + static_cast<std::uint32_t>(resting.size()); }
    bool is_idle(MonoTime now) const {
      return open == 0 && resting.empty() && line.empty() && rate_next <= now && !allowed;
    }
  };

  static bool is_sane(const ipc::ConnectionRequest& request);
  void hold(Peer peer, Entry& entry);
  void give(const Key& key, Entry& entry, MonoTime now);
  bool is_full(const Group& group, const ipc::ConnectionBound& bound) const {
    if (bound.most == 0) return false;
    return group.used() >= bound.most ||
           (free_from_ && group.used() >= shared_places(group, bound));
  }
  std::uint32_t shared_places(const Group& group, const ipc::ConnectionBound& bound) const;
  bool may_go(const Entry& entry, MonoTime now);
  bool has_steps(const Entry& entry, MonoTime now);
  bool is_shared() const { return rates_ != nullptr && rates_->is_shared(); }
  void wake_for_step(const std::string& name, Group& group, MonoTime now);
  void take_steps(const Entry& entry);
  void look_at_all(MonoTime now);
  void remove(std::map<Key, Entry>::iterator found, Duration rest, MonoTime now);
  void look_at(const std::string& name, MonoTime now);
  void serve(Group& group, bool all, MonoTime now);
  void press(const std::string& name, Group& group);
  void press_beyond(Group& group);

  bool open_ = false;
  std::optional<std::uint32_t> free_from_;
  SharedRates* rates_ = nullptr;
  bool was_shared_ = false;
  std::set<std::string> waiting_;  // groups: for a step of which nothing is known
  std::uint64_t last_turn_ = 0;
  std::map<Key, Entry> entries_;
  std::map<Peer, OfPeer> of_peer_;
  std::map<std::string, Group> groups_;
  std::set<std::pair<MonoTime, std::string>> wakes_;
  std::vector<Grant> grants_;
  std::vector<Wanted> wanted_;
};

}  // namespace postwain::qmgr
