#include "common/tls/tls.h"

#include <cstdlib>

#include <catch2/catch.hpp>

#include <unistd.h>

#include "common/base/file.h"
#include "common/tls/ticket_keys.h"

using namespace postwain;
using namespace postwain::tls;

namespace {

struct Pem {
  std::string certificate;
  std::string key;
};

// A self-signed certificate, made once a run by the openssl program.
const Pem& test_pem() {
  static const Pem pem = [] {
    char folder[] = "/tmp/pw-tls-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    std::string base = folder;
    std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=mx.example.org -keyout " +
        base + "/k -out " + base + "/c 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
    Pem made{read_small_file(base + "/c").take(), read_small_file(base + "/k").take()};
    ::unlink((base + "/c").c_str());
    ::unlink((base + "/k").c_str());
    ::rmdir(folder);
    return made;
  }();
  return pem;
}

// Carries ciphertext both ways in pieces of `step` bytes until nothing moves.
void pump(Session& a, Session& b, std::string& to_a, std::string& to_b, std::size_t step) {
  for (bool moved = true; moved;) {
    moved = false;
    std::string from_a = a.take_output();
    std::string from_b = b.take_output();
    for (std::size_t i = 0; i < from_a.size(); i += step, moved = true)
      b.receive(std::string_view(from_a).substr(i, step), to_b);
    for (std::size_t i = 0; i < from_b.size(); i += step, moved = true)
      a.receive(std::string_view(from_b).substr(i, step), to_a);
  }
}

}  // namespace

TEST_CASE("a handshake and data pass in pieces of any size") {
  auto server_context = Context::server(test_pem().certificate, test_pem().key);
  auto client_context = Context::client(PeerProof::none);
  REQUIRE(server_context.ok());
  REQUIRE(client_context.ok());
  for (std::size_t step : {1UL, 7UL, 100000UL}) {
    Session client = Session::client(**client_context, "mx.example.org");
    Session server = Session::server(**server_context);
    std::string to_client;
    std::string to_server;
    pump(client, server, to_client, to_server, step);
    REQUIRE(client.state() == Session::State::open);
    REQUIRE(server.state() == Session::State::open);
    CHECK(client.version() == "TLSv1.3");
    std::string large(50000, 'x');
    client.send(large);
    server.send("220 hello\r\n");
    pump(client, server, to_client, to_server, step);
    CHECK(to_server == large);
    CHECK(to_client == "220 hello\r\n");
    client.close();
    pump(client, server, to_client, to_server, step);
    CHECK(server.state() == Session::State::closed);
  }
}

TEST_CASE("a client takes its session with a server up again, with the same name only") {
  auto client_context = Context::client(PeerProof::none);
  ServerSettings settings;
  settings.pairs.push_back({test_pem().certificate, test_pem().key});
  std::string seed = TicketSeed::random(wall_now()).text();
  auto visit = [&](const char* name, bool polite = true) {
    // Another process of the same server each time.
    settings.ticket_seed = seed;
    auto server_context = Context::server(settings);
    Session client = Session::client(**client_context, name);
    Session server = Session::server(**server_context);
    std::string to_client;
    std::string to_server;
    pump(client, server, to_client, to_server, 1000);
    REQUIRE(client.state() == Session::State::open);
    server.send("hello");
    pump(client, server, to_client, to_server, 1000);
    CHECK(to_client == "hello");
    bool resumed = client.resumed();
    CHECK(resumed == server.resumed());
    if (polite) {
      client.close();
      server.close();
    }
    return resumed;
  };
  CHECK_FALSE(visit("mx.example.org"));
  CHECK(visit("mx.example.org"));
  CHECK(visit("mx.example.org", false));  // who just hangs up spoils nothing
  CHECK(visit("mx.example.org", false));
  CHECK(visit("mx.example.org"));
  CHECK_FALSE(visit("other.example.org"));
  CHECK(visit("mx.example.org"));
  seed = TicketSeed::random(wall_now()).text();
  CHECK_FALSE(visit("mx.example.org"));  // it has forgotten
  CHECK(visit("mx.example.org"));
}

TEST_CASE("both ends of a session have the same channel bindings") {
  auto server_context = Context::server(test_pem().certificate, test_pem().key);
  auto client_context = Context::client(PeerProof::none);
  Session client = Session::client(**client_context, "mx.example.org");
  Session server = Session::server(**server_context);
  using Kind = Session::ChannelBinding;
  CHECK(server.channel_binding(Kind::exporter).empty());
  std::string a;
  std::string b;
  pump(client, server, a, b, 100000);
  for (Kind kind : {Kind::exporter, Kind::end_point}) {
    CHECK(server.channel_binding(kind).size() == 32);
    CHECK(server.channel_binding(kind) == client.channel_binding(kind));
  }
  CHECK(server.channel_binding(Kind::exporter) != server.channel_binding(Kind::end_point));
  CHECK(server.channel_binding(Kind::unique).empty());  // TLS 1.3 has none
}

TEST_CASE("a certificate nobody vouches for fails when verified") {
  auto server_context = Context::server(test_pem().certificate, test_pem().key);
  auto client_context = Context::client(PeerProof::required);
  Session client = Session::client(**client_context, "mx.example.org");
  Session server = Session::server(**server_context);
  std::string a;
  std::string b;
  pump(client, server, a, b, 100000);
  CHECK(client.state() == Session::State::failed);
  CHECK_FALSE(client.error().empty());
}

TEST_CASE("a certificate that is only watched fails nothing, and its fault is told") {
  auto server_context = Context::server(test_pem().certificate, test_pem().key);
  auto client_context = Context::client(PeerProof::watched);
  Session client = Session::client(**client_context, "mx.example.org");
  Session server = Session::server(**server_context);
  std::string a;
  std::string b;
  pump(client, server, a, b, 100000);
  CHECK(client.state() == Session::State::open);
  CHECK_FALSE(client.peer_fault().empty());
}

TEST_CASE("a client shows the certificate it has, when it is asked") {
  ServerSettings asking;
  asking.pairs = {{test_pem().certificate, test_pem().key}};
  asking.ask_client = true;
  auto server_context = Context::server(asking);
  for (bool own : {false, true}) {
    ClientSettings settings;
    if (own) settings.own = {test_pem().certificate, test_pem().key};
    auto client_context = Context::client(settings);
    REQUIRE(client_context.ok());
    Session client = Session::client(**client_context, "mx.example.org");
    Session server = Session::server(**server_context);
    std::string a;
    std::string b;
    pump(client, server, a, b, 100000);
    CHECK(server.peer_certificate().fingerprint.empty() != own);
  }
  CHECK_FALSE(Context::client({PeerProof::none, {"rubbish", "rubbish"}}).ok());
}

TEST_CASE("plain bytes instead of a handshake fail, and the session stays dead") {
  auto server_context = Context::server(test_pem().certificate, test_pem().key);
  Session server = Session::server(**server_context);
  std::string plaintext;
  CHECK(server.receive("EHLO client.example\r\nMAIL FROM:<>\r\n", plaintext) ==
        Session::State::failed);
  CHECK(server.receive("QUIT\r\n", plaintext) == Session::State::failed);
  CHECK(plaintext.empty());
}

TEST_CASE("bad PEM and a foreign key are refused with a reason") {
  CHECK_FALSE(Context::server("not pem", test_pem().key).ok());
  CHECK_FALSE(Context::server(test_pem().certificate, "not pem").ok());
}
