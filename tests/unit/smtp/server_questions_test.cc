// What the server's engine asks its host, and what it does until the answer comes.
#include <catch2/catch.hpp>

#include "tests/unit/smtp/server_talk.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

TEST_CASE("nothing is parsed behind an open question", "[server]") {
  TestHost host(options());
  host.late = true;
  host.take_output();
  host.feed("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n");
  CHECK(host.take_output().empty());
  CHECK(host.engine.buffered() > 0);
  std::string content;
  CHECK(host.engine.next(content).kind == EventKind::waiting);
  host.settle();
  CHECK(host.accepted.size() == 1);
  CHECK(host.closed);
}

TEST_CASE("what a client sends before its greeting waits for it", "[server]") {
  ServerOptions asking = options();
  asking.ask.connect = true;
  SECTION("and is obeyed then") {
    TestHost host(asking);
    host.late = true;
    host.feed("EHLO c\r\nQUIT\r\n");
    CHECK(host.take_output().empty());
    CHECK(host.engine.buffered() == 14);
    host.settle();
    CHECK(host.take_output().substr(0, 29) == "220 mx.test ESMTP Postwain\r\n2");
    CHECK(host.closed);
  }
  SECTION("and is of no use to one that is refused") {
    TestHost host(asking);
    host.connect_reply = {554, {}, "No"};
    host.feed("MAIL FROM:<a@b>\r\nQUIT\r\n");
    CHECK(host.take_output() ==
          "554 No\r\n503 5.5.1 Error: the connection is refused, need QUIT\r\n221 2.0.0 Bye\r\n");
    CHECK(host.resets == 0);
  }
  SECTION("and the host may end it meanwhile") {
    TestHost host(asking);
    host.late = true;
    host.feed("EHLO c\r\n");
    host.engine.shut_down({421, {4, 3, 2}, "Bye"}, "shutdown");
    host.feed("NOOP\r\n");
    CHECK(host.take_output() == "421 4.3.2 Bye\r\n");
    CHECK(host.closed);
  }
  SECTION("TLS from the first octet on comes before the question") {
    ServerEngine engine(asking);
    std::string content;
    CHECK(engine.next(content).kind == EventKind::need_more);
    engine.tls_started();
    engine.begin();
    CHECK(engine.output().empty());
    CHECK(engine.next(content).kind == EventKind::connect);
    CHECK(engine.next(content).kind == EventKind::waiting);
    engine.answer({220, {}, {}});
    CHECK(engine.output() == "220 mx.test ESMTP Postwain\r\n");
  }
}

TEST_CASE("XCLIENT brings another client, which is asked about anew", "[server]") {
  ServerOptions asking = options();
  asking.ask.connect = true;
  TestHost host(asking);
  CHECK(say(host, "XCLIENT ADDR=192.0.2.1\r\n") == 220);
  host.connect_reply = {554, {}, "No"};
  CHECK(say(host, "XCLIENT ADDR=192.0.2.2 HELO=c\r\n") == 554);
  CHECK(host.engine.state() == ServerState::refused);
  CHECK(say(host, "MAIL FROM:<a@b>\r\n") == 503);
  CHECK(say(host, "QUIT\r\n") == 221);
}

TEST_CASE("an unknown command without an answer of the host is told as the engine's", "[server]") {
  ServerOptions asking = options();
  asking.ask.unknown_command = true;
  TestHost host(asking);
  CHECK(say(host, "XYZZY a\r\n") == 500);
  CHECK(host.unknowns == std::vector<std::string>{"XYZZY a"});
  std::uint64_t more = 0;
  std::vector<OwnRefusal> told = host.engine.take_refusals(more);
  REQUIRE(told.size() == 1);
  CHECK(told[0].stage == "unknown");
  CHECK(told[0].said.empty());
  host.unknown_reply = {502, {5, 5, 1}, "Not here"};
  CHECK(say(host, "XYZZY b\r\n") == 502);
  CHECK(host.engine.take_refusals(more).empty());
  CHECK(host.engine.unknown_command().empty());
}

TEST_CASE("content is not read on while a question about the header is open", "[server]") {
  for (bool chunked : {false, true}) {
    ServerOptions asking = options();
    asking.ask.header = true;
    asking.message_size = 10000;
    TestHost host(asking);
    host.feed(way_to(ServerState::rcpt));
    host.late = true;
    std::string text = "A: 1\r\nB: 2\r\n\r\n" + std::string(5000, 'x') + "\r\n";
    host.feed(chunked ? "BDAT " + std::to_string(text.size()) + " LAST\r\n" + text
                      : "DATA\r\n" + text + ".\r\n");
    host.settle_one();  // DATA
    CHECK(host.fields.empty());
    CHECK(host.engine.buffered() > 5000);
    CHECK(host.engine.in_content());
    SECTION("and goes on with the answer") {
      host.settle_one();
      CHECK(host.fields.size() == 1);
      CHECK(host.engine.buffered() > 5000);
      host.settle();
      REQUIRE(host.accepted.size() == 1);
      CHECK(host.accepted[0].content == text);
    }
    SECTION("which the host may give up: the queue is gone") {
      host.engine.refuse_content({451, {4, 3, 0}, "Gone"});
      host.settle();
      CHECK(host.fields.size() == 1);
      CHECK(host.refused == std::vector<std::string>{"451 4.3.0 Gone"});
      CHECK(host.engine.state() == ServerState::ready);
    }
    SECTION("nor while the session is ended") {
      host.engine.shut_down({421, {4, 3, 2}, "Bye"}, "shutdown");
      host.feed({});
      CHECK(host.closed);
      CHECK(host.resets == 1);
      std::uint64_t more = 0;
      CHECK(host.engine.take_refusals(more).back().stage == "content");
    }
  }
}
