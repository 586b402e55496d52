// The session around the transactions.
#include <catch2/catch.hpp>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

Cuts any_cuts() {
  return GENERATE(Cuts::whole, Cuts::bytes, Cuts::random);
}

}  // namespace

TEST_CASE("greeting and EHLO") {
  Client client({}, any_cuts());
  CHECK(client.engine.wait() == Wait::greeting);
  client.hear("220-hello\r\n220 there\r\n");
  CHECK(client.sent() == "EHLO us.example\r\n");
  CHECK(client.engine.wait() == Wait::command);
  client.hear(kPipelineHello);
  CHECK(client.happened() == Events{"ready"});
  CHECK(client.engine.idle());
  CHECK(client.engine.wait() == Wait::none);
}

TEST_CASE("LHLO has no fallback, EHLO has") {
  Client smtp;
  smtp.hear("220 hi\r\n");
  smtp.sent();
  smtp.hear("500 what?\r\n");
  CHECK(smtp.sent() == "HELO us.example\r\n");
  smtp.hear("250 ok\r\n");
  CHECK(smtp.happened() == Events{"ready"});

  Client lmtp({.dialect = &kLmtp});
  lmtp.hear("220 hi\r\n");
  CHECK(lmtp.sent() == "LHLO us.example\r\n");
  lmtp.hear("500 what?\r\n");
  CHECK(lmtp.happened() == Events{"unusable deferred hello destination 500"});
}

TEST_CASE("the session fails") {
  struct Row {
    std::string server;
    std::string want;
  };
  const std::vector<Row> rows = {
      {"554 go away\r\n", "unusable deferred greeting destination 554"},
      {"421 busy\r\n", "unusable deferred greeting destination 421"},
      {"SSH-2.0-x\r\n", "unusable deferred greeting destination 4.5.0"},
      {"354 what\r\n", "unusable deferred greeting destination 4.5.0"},
      {"220 hi\r\n421 busy\r\n", "unusable deferred hello destination 421"},
      {"220 hi\r\n451 later\r\n", "unusable deferred hello destination 451"},
      {"220 hi\r\n550 no\r\n550 no\r\n", "unusable deferred hello destination 550"},
      {"220 hi\r\n250 ok\r\n250 unasked\r\n", "unusable deferred mail destination 4.5.0"},
      {"220 hi\r\n250 ok\r\n421 idle too long\r\n", "unusable deferred mail destination 421"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.server);
    Client client({}, any_cuts());
    client.hear(row.server);
    Events events = client.happened();
    REQUIRE_FALSE(events.empty());
    CHECK(events.back() == row.want);
    CHECK_FALSE(client.engine.usable());
  }
}

TEST_CASE("STARTTLS") {
  const std::string with_tls = "250-there\r\n250-STARTTLS\r\n250 PIPELINING\r\n";
  SECTION("offered: taken, and everything before it is forgotten") {
    Client client({}, any_cuts());
    client.hear("220 hi\r\n" + with_tls);
    CHECK(client.sent() == "EHLO us.example\r\nSTARTTLS\r\n");
    client.hear("220 go\r\n");
    CHECK(client.happened() == Events{"start_tls"});
    CHECK(client.engine.wait() == Wait::command);
    client.engine.tls_started();
    client.pump();
    CHECK(client.sent() == "EHLO us.example\r\n");
    client.hear(kPlainHello);
    CHECK(client.happened() == Events{"ready"});
    CHECK_FALSE(client.engine.peer().pipelining);
  }
  SECTION("response injection") {
    for (std::string tail : {"250 injected\r\n", "x"}) {
      Client client({}, any_cuts());
      client.hear("220 hi\r\n" + with_tls);
      client.hear("220 go\r\n" + tail);
      CHECK(client.happened().back() == "unusable deferred tls destination 4.7.5");
    }
  }
  SECTION("refused: opportunistic goes on in clear, required does not") {
    Client may;
    may.hear("220 hi\r\n" + with_tls + "454 no\r\n");
    CHECK(may.happened() == Events{"ready"});
    Client must({.tls = TlsUse::required});
    must.hear("220 hi\r\n" + with_tls + "454 no\r\n");
    CHECK(must.happened() == Events{"unusable deferred tls destination 454"});
  }
  SECTION("not offered") {
    Client must({.tls = TlsUse::required});
    must.hear("220 hi\r\n" + kPlainHello);
    CHECK(must.happened() == Events{"unusable deferred tls destination 4.7.4"});
    CHECK(must.sent() == "EHLO us.example\r\n");
    Client off({.tls = TlsUse::never});
    off.hear("220 hi\r\n" + with_tls);
    CHECK(off.happened() == Events{"ready"});
  }
  SECTION("required: no HELO, which would have no STARTTLS") {
    Client must({.tls = TlsUse::required});
    must.hear("220 hi\r\n500 what\r\n");
    CHECK(must.happened() == Events{"unusable deferred hello destination 500"});
  }
  SECTION("handshake fails") {
    Client client;
    client.hear("220 hi\r\n" + with_tls + "220 go\r\n");
    client.engine.tls_failed("bad certificate");
    client.pump();
    CHECK(client.happened().back() == "unusable deferred tls destination 4.7.5");
  }
}

namespace {

// Under TLS, where the server offers PLAIN and X.
std::unique_ptr<Client> logging_in() {
  auto client = std::make_unique<Client>(ClientOptions{.tls = TlsUse::required, .login = true});
  client->hear("220 hi\r\n250-there\r\n250 STARTTLS\r\n220 go\r\n");
  client->engine.tls_started();
  client->pump();
  client->happened();
  client->sent();
  client->hear("250-there\r\n250 AUTH PLAIN X\r\n");
  return client;
}

}  // namespace

TEST_CASE("a login: the host leads it, the engine carries it") {
  auto client = logging_in();
  CHECK(client->happened() == Events{"log_in"});
  CHECK(client->engine.peer().mechanisms == std::vector<std::string>{"PLAIN", "X"});
  SECTION("with an initial response") {
    client->engine.begin_login("PLAIN", std::string("\0user\0pass:word", 15));
    client->pump();
    CHECK(client->sent() == "AUTH PLAIN AHVzZXIAcGFzczp3b3Jk\r\n");
    SECTION("accepted") {
      client->hear("235 2.7.0 welcome\r\n");
      CHECK(client->happened() == Events{"logged_in"});
      client->engine.accept_login();
      client->pump();
      CHECK(client->happened() == Events{"ready"});
    }
    SECTION("refused") {
      client->hear("535 5.7.8 no\r\n");
      CHECK(client->happened() == Events{"unusable deferred auth destination 535"});
    }
    SECTION("accepted, and nothing proven") {
      client->hear("235 2.7.0 welcome\r\n");
      client->engine.fail_login({4, 7, 0}, "no proof");
      client->pump();
      CHECK(client->happened().back() == "unusable deferred auth destination 4.7.0");
    }
  }
  SECTION("challenges") {
    client->engine.begin_login("X", std::nullopt);
    client->pump();
    CHECK(client->sent() == "AUTH X\r\n");
    client->hear("334 VXNlcm5hbWU6\r\n");
    CHECK(client->happened() == Events{"challenge Username:"});
    client->engine.answer_challenge("user");
    client->pump();
    CHECK(client->sent() == "dXNlcg==\r\n");
    client->hear("334 \r\n");
    CHECK(client->happened() == Events{"challenge "});
    client->engine.answer_challenge("");
    client->pump();
    CHECK(client->sent() == "\r\n");
    // F16: without padding, and in plain words.
    client->hear("334 UGFzc3dvcmQ\r\n");
    CHECK(client->happened() == Events{"challenge Password"});
    client->engine.answer_challenge("x");
    client->pump();
    client->hear("334 Your password, please:\r\n");
    CHECK(client->happened() == Events{"challenge Your password, please:"});
  }
  SECTION("an empty initial response, and one too long for the line") {
    std::string initial(GENERATE(0, 600), 'x');
    client->engine.begin_login("X", initial);
    client->pump();
    CHECK(client->sent() == (initial.empty() ? "AUTH X =\r\n" : "AUTH X\r\n"));
    if (initial.empty()) return;
    client->hear("334 \r\n");
    CHECK(client->happened().empty());
    CHECK(client->sent().size() == 802);
  }
  SECTION("the server goes on without being asked") {
    client->hear("235 2.7.0 welcome\r\n");
    CHECK(client->happened().back() == "unusable deferred auth destination 4.5.0");
    client->engine.begin_login("X", std::nullopt);  // late: nothing happens
    client->pump();
    CHECK(client->sent().empty());
  }
}

TEST_CASE("no login in clear unless it is said, none where none is offered") {
  Client clear({.login = true});
  clear.hear("220 hi\r\n250-there\r\n250 AUTH PLAIN\r\n");
  CHECK(clear.happened() == Events{"unusable deferred auth destination 4.7.11"});
  CHECK(clear.sent() == "EHLO us.example\r\n");
  Client said({.login = true, .login_without_tls = true});
  said.hear("220 hi\r\n250-there\r\n250 AUTH PLAIN\r\n");
  CHECK(said.happened() == Events{"log_in"});
  Client none({.login = true, .login_without_tls = true});
  none.hear("220 hi\r\n250 there\r\n");
  CHECK(none.happened() == Events{"unusable deferred auth destination 4.7.0"});
}

TEST_CASE("lost and timed out before any transaction") {
  Client lost;
  lost.engine.lost("reset by peer");
  lost.pump();
  CHECK(lost.happened() == Events{"unusable deferred greeting destination 4.4.2"});
  Client late;
  late.hear("220 hi\r\n");
  late.engine.timed_out();
  late.pump();
  CHECK(late.happened() == Events{"unusable deferred hello destination 4.4.2"});
  // Dead is dead.
  late.hear("250 too late\r\n");
  CHECK(late.happened().empty());
}

TEST_CASE("QUIT leaves after the last transaction") {
  auto client = ready_client(kPlainHello);
  client->engine.quit();
  client->pump();
  CHECK(client->sent() == "QUIT\r\n");
  CHECK_FALSE(client->engine.wants_transaction());
  client->hear("221 bye\r\n");
  CHECK_FALSE(client->engine.usable());
}
