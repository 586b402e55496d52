// One connection of qmgr, and the one to the database server that it stands for: the sockets, TLS
// and the clock around a RelayEngine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/time.h"
#include "common/config/table/database.h"
#include "common/daemon/channel.h"
#include "common/dns/resolver.h"
#include "common/net/loop.h"
#include "common/net/stream.h"
#include "common/tls/tls.h"
#include "db-link/relay_engine.h"
#include "db-link/server_dial.h"

namespace postwain::dblink {

constexpr Duration kConnectMax = std::chrono::seconds(10);  // with the lookup of the name
constexpr Duration kSecureMax = std::chrono::seconds(10);   // until TLS is there

struct Target {
  config::DatabaseHost host;
  std::shared_ptr<tls::Context> tls;  // null: the server is spoken to in clear
};

class Relay {
 public:
  struct Callbacks {
    // Octets are relayed from now on. tls: its version; empty: there is none.
    std::function<void(const std::string& address, const std::string& tls)> on_reached;
    // It is over, for this reason; empty: in order. Comes once. The relay may be destroyed later,
    // but not from within this.
    std::function<void(const std::string& why)> on_over;
  };

  // Begins at once. What it is given by reference outlives it.
  Relay(net::Loop& loop, dns::Resolver& resolver, const Target& target, net::Stream client,
        Callbacks callbacks);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  bool over() const { return engine_.state() == RelayEngine::State::over; }

 private:
  void listen_to_client();
  void dialed(Result<net::Stream> stream);
  void perform(const Orders& orders);
  void set_reading();
  void note_reached();
  void close();

  net::Loop& loop_;
  const Target& target_;
  Callbacks callbacks_;
  RelayEngine engine_;
  net::Stream client_;
  std::optional<ServerDial> dial_;
  std::unique_ptr<daemon::Channel> server_;
  net::Timer deadline_;
  bool reached_ = false;
  bool closed_ = false;
};

}  // namespace postwain::dblink
