// filter: speaks to the outside filters (milters) of the configuration, for every smtpd. Started
// with [[filter]].
//
// What it may touch: the filters' sockets, qmgr's socket in a role that gives it the way to each
// smtpd, and a folder for files without names. It knows no keys, no users and no queue.
#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "common/net/loop_clock.h"
#include "filter/filter_process.h"

namespace postwain::filter {

namespace {

std::vector<ListenerName> listeners_of(const config::Config& config) {
  std::vector<ListenerName> out;
  for (const config::Listener& listener : config.listeners) {
    bool submission = listener.protocol == config::ListenerProtocol::submission;
    out.push_back(
        {listener.name(), submission ? ipc::FilterKind::submission : ipc::FilterKind::world});
  }
  return out;
}

}  // namespace

int run(daemon::Start& start) {
  net::Loop loop;
  net::LoopClock clock(loop);
  daemon::Confinement confinement("filter", start.config());
  confinement.give_up_files();
  FilterProcess process(loop, clock,
                        {.name = start.name,
                         .qmgr_socket = start.config().qmgr_socket(),
                         .filters = {},
                         .listeners = listeners_of(start.config()),
                         .on_ready = [&start] { daemon::announce_ready(start); }});
  daemon::Signals signals(loop, [&] { process.drain([&loop] { loop.stop(); }); });
  confinement.give_up_calls();
  loop.run();
  return kExitOk;
}

}  // namespace postwain::filter

int main(int argc, char** argv) {
  postwain::daemon::Start start = postwain::daemon::begin(
      "filter", argc, argv, {postwain::exercise::loop(), postwain::exercise::connects()});
  int code = postwain::filter::run(start);
  postwain::log::flush();
  return code;
}
