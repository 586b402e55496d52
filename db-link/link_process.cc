#include "db-link/link_process.h"

#include <utility>

#include "common/base/check.h"
#include "common/log/log.h"

namespace postwain::dblink {

namespace {

std::string words_for(const Target& target) {
  return net::Endpoint{target.host.name, target.host.port, {}}.text();
}

}  // namespace

Result<std::vector<Target>> targets_of(const config::QueueDatabase& store) {
  std::vector<Target> out;
  if (!store.address) return out;
  auto context =
      tls::Context::client({tls::PeerProof::required, {store.certificate, store.key}, store.roots});
  if (!context) return context.error();
  for (const config::DatabaseHost& host : store.address->hosts)
    if (!host.is_local()) out.push_back({host, store.asks_tls(host) ? *context : nullptr});
  return out;
}

LinkProcess::LinkProcess(net::Loop& loop, dns::Resolver& resolver, Setup setup)
    : loop_(loop), resolver_(resolver), queue_user_(setup.queue_user) {
  PW_CHECK(setup.sockets.size() == setup.targets.size());
  for (std::size_t i = 0; i < setup.targets.size(); ++i) {
    hosts_.push_back(std::make_unique<Host>(Host{std::move(setup.targets[i])}));
    Host* host = hosts_.back().get();
    host->listener = std::make_unique<net::Listener>(
        loop_, setup.sockets[i],
        [this, host](net::Stream client) { take(*host, std::move(client)); });
  }
}

LinkProcess::~LinkProcess() {
  loop_.forget_turn_end(this);
}

bool LinkProcess::may_come(const Host& host, const net::Stream& client) {
  auto who = client.peer_credentials();
  if (who && who->uid == queue_user_) return true;
  if (!refusals_.over(loop_.now())) return false;
  log::Line line(log::Level::warning, "peer_refused");
  line.kv("reason", "only qmgr may come here").kv("host", words_for(host.target));
  if (who) line.kv("uid", who->uid).kv("pid", who->pid);
  return false;
}

void LinkProcess::take(Host& host, net::Stream client) {
  if (!may_come(host, client)) return;
  if (relays_.size() >= kRelaysMax)
    return note_failure(host, "there are as many connections as there may be");
  relays_.push_back(std::make_unique<Relay>(
      loop_, resolver_, host.target, std::move(client),
      Relay::Callbacks{
          .on_reached =
              [&host](const std::string& address, const std::string& tls) {
                if (!host.health.reached()) return;
                log::Line line(log::Level::info, "database_reached");
                line.kv("host", words_for(host.target)).kv("address", address);
                if (!tls.empty()) line.kv("tls", tls);
              },
          .on_over =
              [this, &host](const std::string& why) {
                if (!why.empty()) note_failure(host, why);
                loop_.at_turn_end(this, [this] { remove_ended(); });
              },
      }));
}

void LinkProcess::note_failure(Host& host, const std::string& why) {
  if (!host.health.failed(loop_.now())) return;
  log::Line(log::Level::warning, "database_unreachable")
      .kv("host", words_for(host.target))
      .kv("reason", why);
}

void LinkProcess::remove_ended() {
  std::erase_if(relays_, [](const auto& relay) { return relay->over(); });
}

}  // namespace postwain::dblink
