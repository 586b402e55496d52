// qmgr: owns the queue. Needs the spool folder and its socket in the runtime folder; no network.
#include "common/base/sysexits.h"
#include "common/daemon/daemon.h"
#include "common/log/log.h"

#include "qmgr/qmgr.h"

int main(int argc, char** argv) {
  using namespace postwain;
  // Arguments, configuration, log.
  daemon::Start start = daemon::begin("qmgr", argc, argv);

  // The database with its lock, before anybody can talk to us; a second instance ends here.
  Result<qmgr::Spool> spool = qmgr::open_spool(start.config());
  if (!spool) {
    log::Line(log::Level::error, "cannot_start").kv("reason", spool.error().text);
    log::flush();
    return spool.error().code;
  }

  // The parts; due work is found by index, not by a scan.
  net::Loop loop;
  int exit_code = kExitOk;
  {
    qmgr::Qmgr manager(loop, spool.take(), start.config());
    daemon::Signals signals(loop, [&] { manager.drain(); });
    if (Status listening = manager.listen(); !listening) {
      log::Line(log::Level::error, "cannot_start").kv("reason", listening.error().text);
      log::flush();
      return kExitCantCreate;
    }
    daemon::announce_ready(start);
    loop.run();
    exit_code = manager.exit_code();
  }
  log::Line(log::Level::info, "stopped");
  log::flush();
  return exit_code;
}
