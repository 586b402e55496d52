#include "qmgr/dispatch/connection_leaves.h"

#include <algorithm>

namespace postwain::qmgr {

void ConnectionLeaves::connected(std::uint64_t peer, daemon::IpcConnection& connection) {
  clients_[peer] = &connection;
}

void ConnectionLeaves::lost(std::uint64_t peer) {
  clients_.erase(peer);
  ledger_.lost(peer, mono_now());
  notify();
}

void ConnectionLeaves::open() {
  ledger_.open(mono_now());
  notify();
}

void ConnectionLeaves::share(std::optional<std::uint32_t> free_from,
                             const std::vector<ConnectionLedger::Allowance>& allowances) {
  ledger_.share(free_from, allowances, mono_now());
  notify();
}

void ConnectionLeaves::rates_changed() {
  ledger_.rates_changed(mono_now());
  notify();
}

bool ConnectionLeaves::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  MonoTime now = mono_now();
  if (type == ipc::FrameType::connection_request) {
    ipc::ConnectionRequest request;
    if (!ipc::decode(payload, request) || !ledger_.ask(peer, request, now)) return false;
  } else {
    ipc::ConnectionEnd end;
    if (type != ipc::FrameType::connection_end || !ipc::decode(payload, end)) return false;
    ledger_.end(peer, end.request, now);
  }
  notify();
  return true;
}

// Everything the ledger has decided, and when to look at it again.
void ConnectionLeaves::notify() {
  MonoTime now = mono_now();
  ledger_.advance(now);
  for (const ConnectionLedger::Grant& one : ledger_.take_grants())
    if (auto client = clients_.find(one.peer); client != clients_.end())
      client->second->send(ipc::ConnectionGrant{one.request});
  for (const ConnectionLedger::Wanted& one : ledger_.take_wanted())
    if (auto client = clients_.find(one.peer); client != clients_.end())
      client->second->send(ipc::ConnectionWanted{one.owner});
  std::optional<MonoTime> wake = ledger_.wake_at();
  if (!wake) return timer_.stop();
  timer_.start(std::max(*wake - now, Duration(1)), [this] { notify(); });
}

}  // namespace postwain::qmgr
