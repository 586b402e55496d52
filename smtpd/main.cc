// smtpd: receives mail by SMTP, submission and LMTP and hands it to qmgr.
// Needs: inherited listeners, its configuration bundle, the socket of qmgr. No files, no database.
#include "common/base/sysexits.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "common/net/loop.h"
#include "smtpd/server.h"

int main(int argc, char** argv) {
  using namespace postwain;
  // Arguments, configuration, log; ends the process with a message when they are wrong.
  daemon::Start start =
      daemon::begin("smtpd", argc, argv,
                    {exercise::loop(), exercise::threads(), exercise::dns(), exercise::tls(),
                     exercise::accepts(), exercise::lent_file()});
  net::Loop loop;
  {
    // From here on the link to qmgr is being tried; connections are accepted when it stands.
    smtpd::Server server(loop, start);
    // SIGTERM and SIGINT drain, SIGHUP says that another process has taken over.
    daemon::Signals signals(
        loop, [&server] { server.drain(); }, [&server] { server.retire(); });
    if (Status opened = server.open(); !opened) {
      log::Line(log::Level::error, "cannot_listen").kv("error", opened.error().text);
      return kExitOsError;
    }
    daemon::Confinement confinement("smtpd", start.config());
    confinement.give_up_files();
    confinement.give_up_calls();
    loop.run();
  }
  return kExitOk;
}
