// qmgr: owns the queue. Needs the spool folder and its socket in the runtime folder; no network.
#include "common/base/standard_streams.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"

#include "qmgr/cluster_check.h"
#include "qmgr/commit_exercise.h"
#include "qmgr/qmgr.h"
#include "qmgr/salvage/salvage_command.h"
#include "qmgr/store_command.h"

int main(int argc, char** argv) {
  postwain::fill_standard_streams();
  // Called by `postwain queue recover`, `move` and `take-over`, and `cluster check`: tools that
  // end.
  if (postwain::qmgr::is_salvage(argc, argv)) return postwain::qmgr::salvage_command(argv);

  if (postwain::qmgr::is_store_command(argc, argv)) return postwain::qmgr::store_command(argv);

  if (postwain::qmgr::is_cluster_check(argc, argv)) return postwain::qmgr::cluster_check(argv);

  // Arguments, configuration, log.
  postwain::daemon::Start start = postwain::daemon::begin(
      "qmgr", argc, argv,
      {postwain::exercise::loop(), postwain::exercise::threads(),
       postwain::exercise::files([](const postwain::config::Config& c) { return c.spool_dir; }),
       postwain::qmgr::commits()});
  return postwain::qmgr::run(start);
}
