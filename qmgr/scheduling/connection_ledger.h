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

  // What is to be told; each once.
  std::vector<Grant> take_grants() { return std::exchange(grants_, {}); }
  std::vector<Wanted> take_wanted() { return std::exchange(wanted_, {}); }
  std::optional<MonoTime> wake_at() const;

  // Of the groups with that MX set or these hosts, from all source addresses.
  struct Count {
    std::uint32_t open = 0;
    std::uint32_t waiting = 0;  // in line
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
    MonoTime given_at{};                // the last one
    std::map<std::uint64_t, Key> line;  // by turn
    std::map<Owner, Holder> holders;
    bool is_full(const ipc::ConnectionBound& bound) const {
      return bound.most > 0 && open + resting.size() >= bound.most;
    }
    bool is_idle(MonoTime now) const {
      return open == 0 && resting.empty() && line.empty() && rate_next <= now;
    }
  };

  static bool is_sane(const ipc::ConnectionRequest& request);
  void hold(Peer peer, Entry& entry);
  void give(const Key& key, Entry& entry, MonoTime now);
  bool may_go(const Entry& entry, MonoTime now);
  void remove(std::map<Key, Entry>::iterator found, Duration rest, MonoTime now);
  void look_at(const std::string& name, MonoTime now);
  void serve(Group& group, bool all, MonoTime now);
  void press(const std::string& name, Group& group);

  bool open_ = false;
  std::uint64_t last_turn_ = 0;
  std::map<Key, Entry> entries_;
  std::map<Peer, OfPeer> of_peer_;
  std::map<std::string, Group> groups_;
  std::set<std::pair<MonoTime, std::string>> wakes_;
  std::vector<Grant> grants_;
  std::vector<Wanted> wanted_;
};

}  // namespace postwain::qmgr
