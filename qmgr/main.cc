// qmgr: owns the queue. Needs the spool folder and its socket in the runtime folder; no network.
#include "common/daemon/daemon.h"

#include "qmgr/qmgr.h"

int main(int argc, char** argv) {
  // Arguments, configuration, log.
  postwain::daemon::Start start = postwain::daemon::begin("qmgr", argc, argv);
  return postwain::qmgr::run(start);
}
