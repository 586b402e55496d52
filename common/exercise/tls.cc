#include "common/tls/tls.h"

#include <memory>

#include "common/exercise/exercises.h"
#include "common/tls/throwaway.h"

namespace postwain::exercise {

namespace {

using Work = std::function<Status()>;
constexpr const char* kHost = "selftest.example";

// Both ends of it: what comes out of one goes into the other, until nothing moves.
Status shake_hands(const tls::Context& ours, const tls::Context& theirs) {
  tls::Session server = tls::Session::server(ours);
  tls::Session client = tls::Session::client(theirs, kHost);
  std::string to_server;
  std::string to_client;
  auto carry = [&] {
    for (bool moved = true; moved;) {
      std::string from_client = client.take_output();
      std::string from_server = server.take_output();
      moved = !from_client.empty() || !from_server.empty();
      server.receive(from_client, to_server);
      client.receive(from_server, to_client);
    }
  };
  carry();
  using State = tls::Session::State;
  if (server.state() != State::open) return Error{"no handshake: " + server.error(), 0};
  if (client.state() != State::open) return Error{"no handshake: " + client.error(), 0};
  client.send("from the client");
  server.send("from the server");
  carry();
  bool right = to_server == "from the client" && to_client == "from the server";
  return right ? Status() : Error{"a TLS session does not carry what is sent", 0};
}

Work handshake() {
  auto pair = tls::throwaway_pair(kHost);
  if (!pair) return [error = pair.error()] { return Status(error); };
  auto server = tls::Context::server(pair->certificate, pair->key);
  if (!server) return [error = server.error()] { return Status(error); };
  // Judged by the trust store, which is read in part when a certificate is judged.
  auto client = tls::Context::client(tls::PeerProof::watched);
  if (!client) return [error = client.error()] { return Status(error); };
  return [server = *server, client = *client] { return shake_hands(*server, *client); };
}

}  // namespace

daemon::Exercise tls() {
  return {"tls", "a TLS handshake", [](const config::Config&) { return handshake(); }};
}

}  // namespace postwain::exercise
