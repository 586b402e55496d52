// lmtp-client: delivers leases of qmgr to LMTP stores over TCP or Unix sockets.
//
// What it may touch: the network, the stores' sockets, and qmgr's socket. No file once it runs but
// those that name lookup reads (common/daemon/confinement.cc), time zones and roots of trust; no
// database.
#include "common/agent/agent.h"
#include "common/base/sysexits.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "lmtp-client/store_finder.h"

int main(int argc, char** argv) {
  using namespace postwain;
  // Arguments, configuration, log: without them there is nothing to do.
  daemon::Start start = daemon::begin("lmtp-client", argc, argv,
                                      {exercise::loop(), exercise::threads(), exercise::dns(),
                                       exercise::tls(), exercise::connects()});
  net::Loop loop;
  auto finder = lmtp_client::StoreFinder::create(loop, start.config());
  if (!finder) {
    log::Line(log::Level::error, "dns").kv("error", finder.error().text);
    log::flush();
    return kExitConfig;
  }
  // The agent connects to qmgr by itself, now and after each loss.
  agent::Agent agent(loop, start.config(), **finder,
                     {.name = start.name,
                      .role = ipc::Role::lmtp_client,
                      .dialect = &smtp::kLmtp,
                      .on_ready = [&] { daemon::announce_ready(start); },
                      .on_drained = [&] { loop.stop(); }});
  // SIGTERM: nothing new, what runs is finished, then run() returns.
  daemon::Signals signals(loop, [&] { agent.drain(); });
  daemon::Confinement confinement("lmtp-client", start.config());
  confinement.give_up_files();
  confinement.give_up_calls();
  loop.run();
  return kExitOk;
}
