// The exercises that several programs share (common/daemon/exercise.h); each program's main() names
// its own. Everything stays on this machine and leaves nothing behind.
#pragma once

#include <string>
#include <string_view>

#include "common/daemon/exercise.h"

namespace postwain::exercise {

daemon::Exercise loop();       // event loop, timer, a wake-up from another thread
daemon::Exercise threads();    // the worker of a daemon, as it begins: behind the confinement
daemon::Exercise tls();        // handshake and data in both directions, with the trust store
daemon::Exercise dns();        // a question to a resolver on loopback, and its answer
daemon::Exercise http();       // a connection to a web server on loopback, which ends it
daemon::Exercise accepts();    // a connection, on a socket that listens already, and its bytes
daemon::Exercise connects();   // a TCP connection over loopback, and its bytes
daemon::Exercise signing();    // signatures of both algorithms, by a thread
daemon::Exercise lent_file();  // reading and writing a file that was opened by somebody else
daemon::Exercise runs_program();
// Making, syncing, renaming and removing a file in that folder of the configuration. name and
// what are for a process with several folders: each of its exercises has its own.
daemon::Exercise files(std::function<std::string(const config::Config&)> folder,
                       std::string_view name = "files",
                       std::string_view what = "file and folder sync");

}  // namespace postwain::exercise
