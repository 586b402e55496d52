// What the process does: waits at a socket for each host of the network that has the database, lets
// qmgr in and nobody else, and relays each of its connections to that host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/config/table/queue.h"
#include "common/dns/resolver.h"
#include "common/net/loop.h"
#include "common/net/stream.h"
#include "db-link/host_health.h"
#include "db-link/relay.h"

namespace postwain::dblink {

constexpr std::size_t kRelaysMax = 16;  // to all hosts; further connections are ended at once

// The hosts of the network in their order, and how each is spoken to. Fails where the certificates
// of the configuration cannot be used.
Result<std::vector<Target>> targets_of(const config::QueueDatabase& store);

class LinkProcess {
 public:
  struct Setup {
    std::vector<Target> targets;
    std::vector<int> sockets;      // one for each target; they listen already
    std::uint32_t queue_user = 0;  // who may come
  };

  // The resolver outlives it.
  LinkProcess(net::Loop& loop, dns::Resolver& resolver, Setup setup);
  ~LinkProcess();
  LinkProcess(const LinkProcess&) = delete;
  LinkProcess& operator=(const LinkProcess&) = delete;

  std::size_t relays() const { return relays_.size(); }

 private:
  struct Host {
    Target target;
    HostHealth health{};
    std::unique_ptr<net::Listener> listener{};
  };

  void take(Host& host, net::Stream client);
  bool may_come(const Host& host, const net::Stream& client);
  void note_failure(Host& host, const std::string& why);
  void remove_ended();

  net::Loop& loop_;
  dns::Resolver& resolver_;
  std::uint32_t queue_user_;
  LogPause refusals_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Relay>> relays_;
};

}  // namespace postwain::dblink
