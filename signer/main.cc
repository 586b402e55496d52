// signer: has the private keys of [[dkim_key]], and signs with them what other processes of ours
// ask it to. They show it hashes and get signatures; no key leaves it, and no mail comes in.
// Started where a key signs.
//
// What it may touch: qmgr's socket, in a role that gives it the way to each process that has mail
// signed, and nothing else. It opens no file once it runs, and knows no network.
#include <algorithm>
#include <thread>

#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "signer/signer_process.h"

namespace postwain::signer {

namespace {

std::size_t threads() {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
}

}  // namespace

int run(daemon::Start& start) {
  Result<KeyRing> ring = open_keys(start.config().dkim_keys);
  if (!ring) {
    log::Line(log::Level::error, "cannot_start").kv("reason", ring.error().text);
    return kExitConfig;
  }
  net::Loop loop;
  Setup setup{.name = start.name,
              .qmgr_socket = start.config().qmgr_socket(),
              .ring = ring.take(),
              .threads = threads(),
              .on_ready = [&start] { daemon::announce_ready(start); }};
  daemon::Confinement confinement("signer", start.config());
  confinement.give_up_files();
  SignerProcess process(loop, std::move(setup));
  daemon::Signals signals(loop, [&] { process.drain([&] { loop.stop(); }); });
  confinement.give_up_calls();
  loop.run();
  return kExitOk;
}

}  // namespace postwain::signer

int main(int argc, char** argv) {
  using namespace postwain;
  daemon::Start start = daemon::begin("signer", argc, argv,
                                      {exercise::loop(), exercise::threads(), exercise::signing()});
  int code = signer::run(start);
  log::flush();
  return code;
}
