#include "common/tls/tls.h"

#include <cstdlib>

#include <catch2/catch.hpp>

#include <openssl/ssl.h>
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

// A self-signed certificate, made by the openssl program.
Pem make_pem() {
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
}

const Pem& test_pem() {
  static const Pem pem = make_pem();
  return pem;
}

// A peer by OpenSSL alone, who can do what a Session never does.
class RawClient {
 public:
  // ciphers: of TLS 1.2, which is then all it speaks; null: TLS 1.3.
  explicit RawClient(const char* ciphers = nullptr) : ctx_(SSL_CTX_new(TLS_client_method())) {
    if (ciphers != nullptr) {
      SSL_CTX_set_max_proto_version(ctx_, TLS1_2_VERSION);
      REQUIRE(SSL_CTX_set_cipher_list(ctx_, ciphers) == 1);
    }
    ssl_ = SSL_new(ctx_);
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
    SSL_do_handshake(ssl_);
  }
  ~RawClient() {
    SSL_free(ssl_);
    SSL_CTX_free(ctx_);
  }
  bool shake_hands(Session& server) {
    std::string none;
    for (int i = 0; i < 4; ++i) {
      server.receive(output(), none);
      hear(server.take_output());
      SSL_do_handshake(ssl_);
    }
    return server.receive(output(), none) == Session::State::open;
  }
  void ask_for_new_keys() {
    REQUIRE(SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_do_handshake(ssl_) == 1);
  }
  void say(std::string_view text) {
    REQUIRE(SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0);
  }
  void hear(const std::string& bytes) {
    BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string output() {
    char* data = nullptr;
    long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &data);
    std::string out(data, static_cast<std::size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl_));
    return out;
  }

 private:
  SSL_CTX* ctx_;
  SSL* ssl_ = nullptr;
};

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

TEST_CASE("roots of trust are read whole, or not at all") {
  auto with_roots = [](std::string_view roots) {
    return Context::client({PeerProof::required, {}, roots});
  };
  const std::string& good = test_pem().certificate;
  CHECK(with_roots(good));
  CHECK(with_roots("a word in front\n" + good + good + "and one behind\n"));
  std::string broken = good;
  broken[good.size() / 2] = '!';
  for (const std::string& roots : {std::string("nothing in PEM\n"), test_pem().key, broken,
                                   good + broken, good + good.substr(0, good.size() / 2)}) {
    auto context = with_roots(roots);
    REQUIRE_FALSE(context);
    CHECK(context.error().text.find("roots of trust") != std::string::npos);
  }
}

TEST_CASE("S7: who asks for new keys without end loses the session") {
  auto context = Context::server(test_pem().certificate, test_pem().key);
  Session server = Session::server(**context);
  RawClient client;
  REQUIRE(client.shake_hands(server));
  (void)server.take_output();
  std::string heard;
  for (std::uint32_t i = 0; i < kPostHandshakeMax; ++i) client.ask_for_new_keys();
  CHECK(server.receive(client.output(), heard) == Session::State::open);
  // Data in between and all is well.
  client.say("NOOP\r\n");
  for (std::uint32_t i = 0; i < kPostHandshakeMax; ++i) client.ask_for_new_keys();
  CHECK(server.receive(client.output(), heard) == Session::State::open);
  CHECK(heard == "NOOP\r\n");
  CHECK(server.output_size() > 0);
  client.say("NOOP\r\n");
  CHECK(server.receive(client.output(), heard) == Session::State::open);
  for (std::uint32_t i = 0; i <= kPostHandshakeMax; ++i) client.ask_for_new_keys();
  CHECK(server.receive(client.output(), heard) == Session::State::failed);
  CHECK(server.error() == "too many messages of the handshake without data");
}

TEST_CASE("S24: what is thought of a client's certificate ends with its authority") {
  const Pem client_pem = make_pem();
  const Pem other = make_pem();
  std::string seed = TicketSeed::random(wall_now()).text();
  std::string authority = client_pem.certificate;
  auto certified =
      Context::client(ClientSettings{PeerProof::none, {client_pem.certificate, client_pem.key}});
  auto plain = Context::client(PeerProof::none);
  struct Visit {
    bool resumed;
    bool verified;
  };
  auto visit = [&](const Context& context) {
    ServerSettings settings;
    settings.pairs.push_back({test_pem().certificate, test_pem().key});
    settings.ticket_seed = seed;
    settings.ask_client = true;
    settings.client_ca = authority;
    auto server_context = Context::server(settings);
    REQUIRE(server_context.ok());
    Session client = Session::client(context, "mx.example.org");
    Session server = Session::server(**server_context);
    std::string to_client;
    std::string to_server;
    pump(client, server, to_client, to_server, 1000);
    REQUIRE(client.state() == Session::State::open);
    server.send("hello");
    pump(client, server, to_client, to_server, 1000);
    client.close();
    return Visit{server.resumed(), server.peer_certificate().verified};
  };
  REQUIRE((certified.ok() && plain.ok()));
  // Each time it is judged anew.
  CHECK(visit(**certified).verified);
  Visit again = visit(**certified);
  CHECK(again.verified);
  CHECK_FALSE(again.resumed);
  // Who showed none resumes, as long as the same authority counts.
  CHECK_FALSE(visit(**plain).resumed);
  CHECK(visit(**plain).resumed);
  authority = other.certificate;
  Visit replaced = visit(**certified);
  CHECK_FALSE(replaced.verified);
  CHECK_FALSE(replaced.resumed);
  CHECK_FALSE(visit(**plain).resumed);
  CHECK(visit(**plain).resumed);
}

TEST_CASE("TLS 1.2 has keys of the session alone, and CBC only as the last resort") {
  auto context = Context::server(test_pem().certificate, test_pem().key);
  REQUIRE(context.ok());
  auto shared = [&](const char* ciphers) -> std::string {
    RawClient client(ciphers);
    Session server = Session::server(**context);
    return client.shake_hands(server) ? server.cipher() : "";
  };
  CHECK(shared("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256") ==
        "ECDHE-ECDSA-AES128-GCM-SHA256");
  CHECK(shared("ECDHE-ECDSA-AES128-SHA") == "ECDHE-ECDSA-AES128-SHA");
  CHECK(shared("AES128-GCM-SHA256:AES128-SHA").empty());
}

TEST_CASE("F14: an address is no server name, and its session is taken up again all the same") {
  auto client_context = Context::client(PeerProof::none);
  ServerSettings settings;
  settings.pairs.push_back({test_pem().certificate, test_pem().key});
  auto server_context = Context::server(settings);
  for (const char* name : {"192.0.2.1", "2001:db8::1"}) {
    bool resumed = false;
    for (int visit = 0; visit < 2; ++visit) {
      Session client = Session::client(**client_context, name);
      std::string hello = client.take_output();
      CHECK(hello.find(name) == std::string::npos);
      Session server = Session::server(**server_context);
      std::string to_client;
      std::string to_server;
      server.receive(hello, to_server);
      pump(client, server, to_client, to_server, 1000);
      REQUIRE(client.state() == Session::State::open);
      server.send("hello");
      pump(client, server, to_client, to_server, 1000);
      resumed = client.resumed();
    }
    CHECK(resumed);
  }
}

TEST_CASE("F3: a handshake that offered a session and came to nothing: the next one is in full") {
  auto client_context = Context::client(PeerProof::none);
  ServerSettings settings;
  settings.pairs.push_back({test_pem().certificate, test_pem().key});
  auto server_context = Context::server(settings);
  auto visit = [&](ClientChoice choice = {}) {
    Session client = Session::client(**client_context, "mx.example.org", choice);
    Session server = Session::server(**server_context);
    std::string to_client;
    std::string to_server;
    pump(client, server, to_client, to_server, 1000);
    server.send("hello");
    pump(client, server, to_client, to_server, 1000);
    return client.offered();
  };
  CHECK_FALSE(visit());
  CHECK(visit());
  CHECK_FALSE(visit({false, false}));  // remembered as harmful: not offered
  CHECK(visit());
  SECTION("hung up, reset or stalled: nothing comes") {
    Session client = Session::client(**client_context, "mx.example.org");
    CHECK(client.offered());
  }
  SECTION("an alert") {
    Session client = Session::client(**client_context, "mx.example.org");
    std::string nothing;
    client.receive(std::string("\x15\x03\x03\x00\x02\x02\x28", 7), nothing);
    CHECK(client.state() == Session::State::failed);
  }
  SECTION("done, and then nothing is heard") {
    Session client = Session::client(**client_context, "mx.example.org");
    Session server = Session::server(**server_context);
    std::string to_client;
    std::string to_server;
    pump(client, server, to_client, to_server, 1000);
    CHECK(client.state() == Session::State::open);
  }
  CHECK_FALSE(visit());
}

TEST_CASE("F9: TLS 1.2 alone on demand; an alert is the reason, not a certificate nobody judged") {
  auto client_context = Context::client(PeerProof::none);
  ServerSettings settings;
  settings.pairs.push_back({test_pem().certificate, test_pem().key});
  auto server_context = Context::server(settings);
  Session client = Session::client(**client_context, "mx.example.org", {true, true});
  Session server = Session::server(**server_context);
  std::string to_client;
  std::string to_server;
  pump(client, server, to_client, to_server, 1000);
  CHECK(client.version() == "TLSv1.2");
  settings.tls13_only = true;
  auto strict = Context::server(settings);
  Session again = Session::client(**client_context, "mx.example.org", {false, true});
  Session refusing = Session::server(**strict);
  pump(again, refusing, to_client, to_server, 1000);
  CHECK(again.state() == Session::State::failed);
  CHECK(again.error().find("certificate") == std::string::npos);
  CHECK(again.error().find("alert") != std::string::npos);
}
