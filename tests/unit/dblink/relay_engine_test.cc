// A connection to a database server apart from its sockets: what is answered to the request for
// TLS, who is read when, and how it ends.
#include <catch2/catch.hpp>

#include <string>
#include <string_view>

#include "db-link/relay_engine.h"

using namespace postwain;
using namespace postwain::dblink;
using State = RelayEngine::State;

namespace {

constexpr std::string_view kAskForTls("\0\0\0\x08\x04\xD2\x16\x2F", 8);

RelayEngine asking_engine() {
  RelayEngine engine(Security::tls, "db1:5432");
  CHECK(engine.connected().to_server == kAskForTls);
  CHECK(engine.state() == State::asking);
  return engine;
}

RelayEngine relaying_engine() {
  RelayEngine engine = asking_engine();
  CHECK(engine.from_server("S").start_tls);
  (void)engine.secured();
  CHECK(engine.state() == State::relaying);
  return engine;
}

}  // namespace

TEST_CASE("TLS is asked for first, and what the client said waits for it") {
  RelayEngine engine(Security::tls, "db1:5432");
  CHECK(engine.from_client("start").to_server.empty());
  Orders orders = engine.connected();
  CHECK(orders.to_server == kAskForTls);
  CHECK_FALSE(orders.start_tls);
  CHECK(engine.from_client("up").to_server.empty());
  orders = engine.from_server("S");
  CHECK(orders.start_tls);
  CHECK(orders.to_server.empty());
  CHECK(engine.state() == State::securing);
  CHECK(engine.from_client("!").to_server.empty());
  CHECK(engine.secured().to_server == "startup!");
  CHECK(engine.state() == State::relaying);
  CHECK(engine.from_client("more").to_server == "more");
  CHECK(engine.from_server("Zanswer").to_client == "Zanswer");
  CHECK(engine.failure().empty());
}

TEST_CASE("in clear nothing is asked") {
  RelayEngine engine(Security::clear, "127.0.0.1:5432");
  CHECK(engine.from_client("startup").to_server.empty());
  Orders orders = engine.connected();
  CHECK(orders.to_server == "startup");
  CHECK_FALSE(orders.start_tls);
  CHECK(engine.state() == State::relaying);
  // Also a request for the login passes as it is: without TLS there is nothing to bind to.
  std::string offer("R\0\0\0\x1F\0\0\0\x0ASCRAM-SHA-256-PLUS\0\0", 28);
  CHECK(engine.from_server(offer).to_client == offer);
}

TEST_CASE("whatever else is answered to the request for TLS ends it") {
  struct {
    std::string_view answer;
    std::string_view words;
  } rows[] = {
      {"N", "it offers no TLS"},
      {"NS", "it offers no TLS"},
      {"E\0\0\0\x10SFATAL", "answers with an error"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "says something before TLS"},
      {"SN", "says something before TLS"},
      {std::string_view("S\x16\x03\x03", 4), "says something before TLS"},
      {"220 mx.example.org", "does not answer like a PostgreSQL server"},
      {std::string_view("\0", 1), "does not answer like a PostgreSQL server"},
      {"s", "does not answer like a PostgreSQL server"},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.answer));
    RelayEngine engine = asking_engine();
    (void)engine.from_client("secret");
    Orders orders = engine.from_server(row.answer);
    CHECK(orders.close);
    CHECK_FALSE(orders.start_tls);
    CHECK(orders.to_server.empty());  // what the client said is for nobody else
    CHECK(engine.failure().find(row.words) != std::string::npos);
    CHECK(engine.state() == State::over);
    // The client hears it in the form of the protocol.
    REQUIRE(orders.to_client.size() > 5);
    CHECK(orders.to_client.front() == 'E');
    CHECK(static_cast<unsigned char>(orders.to_client[3]) * 256U +
              static_cast<unsigned char>(orders.to_client[4]) ==
          orders.to_client.size() - 1);
    CHECK(orders.to_client.find("db1:5432: it ") != std::string::npos);
    CHECK(orders.to_client.ends_with(std::string_view("\0\0", 2)));
  }
}

TEST_CASE("behind the end nothing passes any more") {
  RelayEngine engine = asking_engine();
  CHECK(engine.from_server("N").close);
  std::string why = engine.failure();
  CHECK(engine.from_server("S").to_client.empty());
  CHECK_FALSE(engine.from_server("S").start_tls);
  CHECK(engine.from_client("x").to_server.empty());
  CHECK(engine.secured().to_server.empty());
  CHECK_FALSE(engine.server_ended("late").close);
  CHECK_FALSE(engine.client_ended().close);
  CHECK_FALSE(engine.out_of_time().close);
  CHECK_FALSE(engine.reads_client(0));
  CHECK_FALSE(engine.reads_server(0));
  CHECK(engine.failure() == why);
}

TEST_CASE("the server may end at each step") {
  for (std::string_view why : {"", "connection reset by peer"}) {
    CAPTURE(why);
    RelayEngine asking = asking_engine();
    Orders orders = asking.server_ended(why);
    CHECK(orders.close);
    CHECK_FALSE(orders.to_client.empty());
    CHECK(asking.failure() ==
          (why.empty() ? "it ended the connection before TLS began" : std::string(why)));

    RelayEngine securing = asking_engine();
    (void)securing.from_server("S");
    CHECK(securing.server_ended(why).close);
    CHECK_FALSE(securing.failure().empty());

    // Octets of the protocol were relayed: an end in order is no failure, and nothing is put behind
    // what the server said.
    RelayEngine relaying = relaying_engine();
    orders = relaying.server_ended(why);
    CHECK(orders.close);
    CHECK(orders.to_client.empty());
    CHECK(relaying.failure() == why);
  }
  RelayEngine dialing(Security::tls, "db1:5432");
  CHECK(dialing.not_connected("connection refused").close);
  CHECK(dialing.failure() == "connection refused");
}

TEST_CASE("the client may end at each step, and that is no failure") {
  RelayEngine dialing(Security::tls, "db1:5432");
  RelayEngine asking = asking_engine();
  RelayEngine securing = asking_engine();
  (void)securing.from_server("S");
  RelayEngine relaying = relaying_engine();
  for (RelayEngine* engine : {&dialing, &asking, &securing, &relaying}) {
    Orders orders = engine->client_ended();
    CHECK(orders.close);
    CHECK(orders.to_client.empty());
    CHECK(engine->failure().empty());
    CHECK(engine->state() == State::over);
    CHECK(engine->connected().to_server.empty());
  }
}

TEST_CASE("each step before the first octet has its time, and none behind it") {
  RelayEngine dialing(Security::tls, "db1:5432");
  CHECK(dialing.out_of_time().close);
  CHECK(dialing.failure() == "it cannot be reached in time");
  RelayEngine asking = asking_engine();
  CHECK(asking.out_of_time().close);
  CHECK(asking.failure() == "no answer in time to the request for TLS");
  RelayEngine securing = asking_engine();
  (void)securing.from_server("S");
  CHECK(securing.out_of_time().close);
  CHECK(securing.failure() == "the handshake of TLS takes too long");
  RelayEngine relaying = relaying_engine();
  CHECK_FALSE(relaying.out_of_time().close);
  CHECK(relaying.state() == State::relaying);
}

TEST_CASE("nobody is read while the other end takes nothing") {
  RelayEngine engine = relaying_engine();
  CHECK(engine.reads_client(0));
  CHECK(engine.reads_client(kUnsentMax - 1));
  CHECK_FALSE(engine.reads_client(kUnsentMax));
  CHECK(engine.reads_server(kUnsentMax - 1));
  CHECK_FALSE(engine.reads_server(kUnsentMax));
  // Each direction for itself.
  CHECK(engine.reads_server(0));
}

TEST_CASE("what is held of the client before there is a server is bounded") {
  RelayEngine engine(Security::tls, "db1:5432");
  std::string block(kUnsentMax / 4, 'x');
  for (int i = 0; i < 4; ++i) {
    CHECK(engine.reads_client(0));
    (void)engine.from_client(block);
  }
  CHECK_FALSE(engine.reads_client(0));
  (void)engine.connected();
  CHECK_FALSE(engine.reads_client(0));
  (void)engine.from_server("S");
  CHECK(engine.secured().to_server.size() == kUnsentMax);
  CHECK(engine.reads_client(0));
}

TEST_CASE("a request for the login that cannot be read ends it") {
  RelayEngine engine = relaying_engine();
  CHECK_FALSE(engine.from_server(std::string_view("R\0\0", 3)).close);
  Orders orders = engine.from_server(std::string_view("\xFF\xFF....", 6));
  CHECK(orders.close);
  CHECK(orders.to_client.empty());
  CHECK(engine.failure() == "its request for the login cannot be read");
}

TEST_CASE("reasons that come from outside are printable and short") {
  RelayEngine engine(Security::tls, "db1:5432");
  (void)engine.not_connected("a\x1B[31m\n" + std::string(5000, 'x'));
  CHECK(engine.failure().find('\x1B') == std::string::npos);
  CHECK(engine.failure().find('\n') == std::string::npos);
  CHECK(engine.failure().size() < 400);
}
