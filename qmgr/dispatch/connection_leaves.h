// Between the delivery clients and the ledger of their connections (connection_ledger.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/net/loop.h"

#include "qmgr/scheduling/connection_ledger.h"

namespace postwain::qmgr {

class ConnectionLeaves {
 public:
  explicit ConnectionLeaves(net::Loop& loop) : timer_(loop) {}

  // connection outlives the client here: lost() comes first.
  void connected(std::uint64_t peer, daemon::IpcConnection& connection);
  void lost(std::uint64_t peer);
  // False: no such frame, or one that no client of ours would send.
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload);
  ConnectionLedger::Count count(const std::string& hosts) const { return ledger_.count(hosts); }
  // Bounds that hold over several nodes.
  std::vector<ConnectionLedger::Demand> demands() const { return ledger_.demands(); }
  void share(std::optional<std::uint32_t> free_from,
             const std::vector<ConnectionLedger::Allowance>& allowances);
  // Rates that hold over several nodes (ConnectionLedger::share_rates).
  void share_rates(SharedRates* rates) { ledger_.share_rates(rates); }
  void rates_changed();
  // From now on connections are given out (ConnectionLedger::open).
  void open();

 private:
  void notify();

  net::Timer timer_;
  ConnectionLedger ledger_;
  std::map<std::uint64_t, daemon::IpcConnection*> clients_;
};

}  // namespace postwain::qmgr
