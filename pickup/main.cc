// pickup: takes what sendmail left in the drop folder while the queue manager could not be reached
// to it.
//
// What it may touch: the drop folder, as its owner, and qmgr's socket, as anybody on the machine
// may.
#include "common/base/sysexits.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"
#include "common/net/loop.h"
#include "postwain/sendmail/pickup.h"

int main(int argc, char** argv) {
  using namespace postwain;
  daemon::Start start = daemon::begin(
      "pickup", argc, argv,
      {exercise::loop(), exercise::threads(),
       exercise::files([](const config::Config& config) { return config.drop_dir; })});
  net::Loop loop;
  tool::Pickup pickup(loop, start.config());
  daemon::Signals signals(loop, [&loop] { loop.stop(); });
  daemon::Confinement confinement("pickup", start.config());
  confinement.give_up_files();
  confinement.give_up_calls();
  daemon::announce_ready(start);
  loop.run();
  return kExitOk;
}
