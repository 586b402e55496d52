#include "db-link/relay.h"

#include <utility>

namespace postwain::dblink {

namespace {

// How long an end may take to hear the last words of the other.
constexpr Duration kLastWords = std::chrono::seconds(5);

std::string name_of(const Target& target) {
  return net::Endpoint{target.host.name, target.host.port, {}}.text();
}

}  // namespace

Relay::Relay(net::Loop& loop, dns::Resolver& resolver, const Target& target, net::Stream client,
             Callbacks callbacks)
    : loop_(loop),
      target_(target),
      callbacks_(std::move(callbacks)),
      engine_(target.tls ? Security::tls : Security::clear, name_of(target)),
      client_(std::move(client)),
      deadline_(loop) {
  listen_to_client();
  deadline_.start(kConnectMax, [this] { perform(engine_.out_of_time()); });
  dial_.emplace(loop_, resolver, target_.host,
                [this](Result<net::Stream> stream) { dialed(std::move(stream)); });
}

// Also while there is no server yet: a client that has given up is not to be waited for.
void Relay::listen_to_client() {
  client_.limit_reads(kUnsentMax);
  client_.start({
      .on_data = [this](std::string_view bytes) { perform(engine_.from_client(bytes)); },
      .on_end = [this] { perform(engine_.client_ended()); },
      .on_error = [this](const Error&) { perform(engine_.client_ended()); },
      .on_drained = [this] { set_reading(); },
  });
}

void Relay::dialed(Result<net::Stream> stream) {
  if (closed_) return;
  if (!stream) return perform(engine_.not_connected(stream.error().text));
  deadline_.start(kSecureMax, [this] { perform(engine_.out_of_time()); });
  server_ = std::make_unique<daemon::Channel>(
      loop_, stream.take(),
      daemon::Channel::Callbacks{
          .on_data = [this](std::string_view bytes) { perform(engine_.from_server(bytes)); },
          .on_tls = [this] { perform(engine_.secured()); },
          .on_closed = [this](const std::string& why) { perform(engine_.server_ended(why)); },
          .on_drained = [this] { set_reading(); },
      });
  server_->limit_reads(kUnsentMax);
  perform(engine_.connected());
}

void Relay::perform(const Orders& orders) {
  if (closed_) return;
  if (!orders.to_server.empty() && server_) server_->send(orders.to_server);
  if (orders.start_tls && server_)
    server_->start_tls_client(*target_.tls, target_.host.name, {.resume = false});
  if (!orders.to_client.empty()) client_.write(orders.to_client);
  if (orders.close) return close();
  if (engine_.state() == RelayEngine::State::relaying) note_reached();
  set_reading();
}

void Relay::note_reached() {
  if (std::exchange(reached_, true)) return;
  deadline_.stop();
  callbacks_.on_reached(server_->peer().text(), server_->tls_version());
}

void Relay::set_reading() {
  if (closed_) return;
  if (engine_.reads_client(server_ ? server_->pending() : 0))
    client_.resume();
  else
    client_.pause();
  if (!server_) return;
  if (engine_.reads_server(client_.pending()))
    server_->resume();
  else
    server_->pause();
}

// The objects stay until the owner comes for this one: they may be what calls us.
void Relay::close() {
  closed_ = true;
  deadline_.stop();
  client_.close_after_flush(kLastWords);
  if (server_) server_->close_after_flush();
  callbacks_.on_over(engine_.failure());
}

}  // namespace postwain::dblink
