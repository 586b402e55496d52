// tokens: runs the programs that routes name for access tokens (auth = "user:command:/path"), and
// tells qmgr what they print. Started where a route names one.
//
// What it may touch: whatever those programs need, as a user of its own; the queue, the network
// side and the keys belong to others. It runs only what stands in its configuration, whoever asks.
#include "common/base/sysexits.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/daemon/qmgr_link.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "common/net/loop.h"
#include "tokens/token_source.h"

namespace postwain::tokens {

int run(daemon::Start& start) {
  net::Loop loop;
  TokenSource source(loop, start.config());
  std::unique_ptr<daemon::QmgrLink> link;
  auto answer = [&link](std::uint64_t request, const Result<std::string>& token) {
    if (!link->up()) return;
    ipc::Token reply{request, {}, {}};
    (token ? reply.token : reply.trouble) = token ? *token : token.error().text;
    link->send(reply);
  };
  auto on_frame = [&](ipc::FrameType type, std::string_view payload) {
    ipc::TokenRequest request;
    if (type != ipc::FrameType::token_request) return true;  // admission and the like
    if (!ipc::decode(payload, request)) return false;
    source.find(request.command, request.refused,
                [&answer, number = request.request](const Result<std::string>& token) {
                  answer(number, token);
                });
    return true;
  };
  link = std::make_unique<daemon::QmgrLink>(
      loop, start.config().qmgr_socket(), ipc::Role::tokens, start.name,
      daemon::QmgrLink::Callbacks{
          .on_up = [&start](const ipc::Welcome&) { daemon::announce_ready(start); },
          .on_down = {},
          .on_frame = on_frame,
          .on_drained = {},
      });
  daemon::Signals signals(loop, [&loop] { loop.stop(); });
  daemon::Confinement("tokens", start.config()).give_up_calls();
  loop.run();
  return kExitOk;
}

}  // namespace postwain::tokens

int main(int argc, char** argv) {
  postwain::daemon::Start start =
      postwain::daemon::begin("tokens", argc, argv,
                              {postwain::exercise::loop(), postwain::exercise::threads(),
                               postwain::exercise::runs_program()});
  int code = postwain::tokens::run(start);
  postwain::log::flush();
  return code;
}
