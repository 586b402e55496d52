#include "qmgr/dispatch/token_relay.h"

#include <utility>
#include <vector>

#include "common/base/time.h"

namespace postwain::qmgr {

TokenRelay::TokenRelay(net::Loop& loop) : timeout_(loop) {}

void TokenRelay::find(const std::string& command, bool refused, Done done) {
  if (requests_.size() >= kTokenRequestsMax) return done(Error{"too many ask for tokens"});
  std::uint64_t number = ++last_;
  Request& request = requests_[number];
  request = {command, refused, std::move(done), 0, mono_now()};
  ask(number, request);
}

void TokenRelay::ask(std::uint64_t number, Request& request) {
  if (!runners_.empty()) {
    request.asked = runners_.rbegin()->first;
    runners_.rbegin()->second->send(ipc::TokenRequest{number, request.command, request.refused});
  } else if (!timeout_.active()) {
    timeout_.start(kTokenTimeout, [this] { give_up_waiting(); });
  }
}

void TokenRelay::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                           const PeerIdentity& /*identity*/) {
  runners_[peer] = &connection;
  for (auto& [number, request] : requests_)
    if (request.asked == 0) ask(number, request);
}

void TokenRelay::lost(std::uint64_t peer) {
  runners_.erase(peer);
  for (auto& [number, request] : requests_) {
    if (request.asked != peer) continue;
    request.asked = 0;
    request.since = mono_now();
    ask(number, request);
  }
}

bool TokenRelay::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  ipc::Token token;
  if (type != ipc::FrameType::token || !ipc::decode(payload, token)) return false;
  auto found = requests_.find(token.request);
  if (found == requests_.end() || found->second.asked != peer) return true;
  Done done = std::move(found->second.done);
  requests_.erase(found);
  if (token.token.empty())
    done(Error{std::move(token.trouble)});
  else
    done(std::move(token.token));
  return true;
}

void TokenRelay::give_up_waiting() {
  MonoTime now = mono_now();
  std::vector<Done> late;
  bool more = false;
  for (auto it = requests_.begin(); it != requests_.end();) {
    bool waits = it->second.asked == 0;
    bool over = waits && now - it->second.since >= kTokenTimeout;
    more |= waits && !over;
    if (over) late.push_back(std::move(it->second.done));
    it = over ? requests_.erase(it) : std::next(it);
  }
  if (more) timeout_.start(kTokenTimeout, [this] { give_up_waiting(); });
  for (Done& done : late) done(Error{"the process that runs token programs does not answer"});
}

}  // namespace postwain::qmgr
