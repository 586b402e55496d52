#include <catch2/catch.hpp>

#include <map>

#include "tests/unit/smtp/server_talk.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

ServerOptions options_for(ServerState state) {
  ServerOptions value = options();
  value.ask.connect = state == ServerState::refused;
  return value;
}

}  // namespace

TEST_CASE("state and verb: every cell", "[server]") {
  struct Input {
    Verb verb;
    const char* bytes;
    int want[kServerStates];          // reply by state
    const char* next[kServerStates];  // state afterwards; "" unchanged
  };
  const Input inputs[] = {
      {Verb::hello,
       "EHLO c\r\n",
       {250, 250, 250, 250, 250, 250, 503},
       {"ready", "ready", "ready", "ready", "ready", "ready", ""}},
      {Verb::helo,
       "HELO c\r\n",
       {250, 250, 250, 250, 250, 250, 503},
       {"ready", "ready", "ready", "ready", "ready", "ready", ""}},
      {Verb::mail,
       "MAIL FROM:<x@y>\r\n",
       {503, 250, 503, 503, 503, 503, 503},
       {"", "mail", "", "", "", "", ""}},
      {Verb::rcpt,
       "RCPT TO:<x@y>\r\n",
       {503, 503, 250, 250, 503, 503, 503},
       {"", "", "rcpt", "", "", "", ""}},
      {Verb::data, "DATA\r\n", {503, 503, 503, 354, 503, 503, 503}, {"", "", "", "", "", "", ""}},
      {Verb::bdat,
       "BDAT 3\r\nx\r\n",
       {503, 503, 503, 250, 250, 503, 503},
       {"", "", "", "chunking", "", "", ""}},
      {Verb::rset,
       "RSET\r\n",
       {250, 250, 250, 250, 250, 250, 503},
       {"fresh", "ready", "ready", "ready", "ready", "ready", ""}},
      {Verb::noop, "NOOP\r\n", {250, 250, 250, 250, 250, 250, 503}, {"", "", "", "", "", "", ""}},
      {Verb::vrfy, "VRFY x\r\n", {252, 252, 252, 252, 252, 252, 503}, {"", "", "", "", "", "", ""}},
      {Verb::expn, "EXPN x\r\n", {502, 502, 502, 502, 502, 502, 503}, {"", "", "", "", "", "", ""}},
      {Verb::help, "HELP\r\n", {214, 214, 214, 214, 214, 214, 503}, {"", "", "", "", "", "", ""}},
      {Verb::starttls,
       "STARTTLS\r\n",
       {503, 220, 503, 503, 503, 503, 503},
       {"", "", "", "", "", "", ""}},
      {Verb::auth,
       "AUTH PLAIN\r\n",
       {503, 502, 503, 503, 503, 503, 503},
       {"", "", "", "", "", "", ""}},
      {Verb::xclient,
       "XCLIENT ADDR=192.0.2.1\r\n",
       {220, 220, 503, 503, 503, 503, 503},
       {"fresh", "fresh", "", "", "", "", ""}},
      {Verb::xforward,
       "XFORWARD ADDR=192.0.2.1\r\n",
       {250, 250, 503, 503, 503, 503, 503},
       {"", "", "", "", "", "", ""}},
      {Verb::obsolete,
       "SAML FROM:<a@b>\r\n",
       {502, 502, 502, 502, 502, 502, 503},
       {"", "", "", "", "", "", ""}},
      {Verb::unknown,
       "XYZZY\r\n",
       {500, 500, 500, 500, 500, 500, 503},
       {"", "", "", "", "", "", ""}},
      {Verb::quit,
       "QUIT\r\n",
       {221, 221, 221, 221, 221, 221, 221},
       {"fresh", "ready", "ready", "ready", "ready", "ready", ""}},
      {Verb::http,
       "GET / HTTP/1.1\r\n",
       {421, 421, 421, 421, 421, 421, 503},
       {"fresh", "ready", "ready", "ready", "ready", "ready", ""}},
  };
  CHECK(std::size(inputs) == kVerbs);
  for (const Input& input : inputs) {
    for (std::size_t s = 0; s < kServerStates; ++s) {
      auto state = static_cast<ServerState>(s);
      INFO(name_of(input.verb) << " in " << name_of(state));
      TestHost host(options_for(state));
      host.connect_reply = {554, {}, "No"};
      say(host, way_to(state));
      REQUIRE(host.engine.state() == state);
      int resets = host.resets;
      CHECK(say(host, input.bytes) == input.want[s]);
      std::string next = *input.next[s] != '\0' ? input.next[s] : std::string(name_of(state));
      CHECK(name_of(host.engine.state()) == next);
      // A transaction the host knows of and that is gone was reported.
      bool had = state == ServerState::mail || state == ServerState::rcpt ||
                 state == ServerState::chunking;
      bool has = next == "mail" || next == "rcpt" || next == "chunking";
      CHECK((host.resets > resets) == (had && !has));
      bool ends =
          input.verb == Verb::quit || (input.verb == Verb::http && state != ServerState::refused);
      CHECK(host.closed == ends);
      // The table and what the engine does say the same.
      CHECK((ruling(state, input.verb) == Ruling::obey) == (input.want[s] != 503));
    }
  }
}

TEST_CASE("commands behind STARTTLS end the session", "[server][tls]") {
  for (const char* injected : {"NOOP\r\n", "MAIL FROM:<a@b>\r\n", "x", "\r\n"}) {
    TestHost host(options());
    say(host, "EHLO c\r\n");
    CHECK(say(host, std::string("STARTTLS\r\n") + injected) == 554);
    CHECK(host.closed);
    CHECK_FALSE(host.tls_wanted);
  }
  // The same in a segment of its own, before the handshake.
  TestHost host(options());
  say(host, "EHLO c\r\nSTARTTLS\r\n");
  REQUIRE(host.tls_wanted);
  host.feed("NOOP\r\n");
  CHECK(host.take_output().empty());
  CHECK(host.closed);
}

TEST_CASE("after TLS nothing said in clear counts", "[server][tls]") {
  TestHost host(options());
  say(host, "EHLO c\r\n");
  CHECK(say(host, "STARTTLS\r\n") == 220);
  host.engine.tls_started();
  CHECK(host.engine.tls());
  CHECK(host.engine.hello_name().empty());
  CHECK(say(host, "MAIL FROM:<a@b>\r\n") == 503);
  host.take_output();
  host.feed("EHLO c\r\n");
  CHECK(host.take_output().find("STARTTLS") == std::string::npos);
  CHECK(say(host, "STARTTLS\r\n") == 503);
  CHECK(say(host, "MAIL FROM:<a@b>\r\n") == 250);
}

TEST_CASE("a host that loses the queue refuses content to its true end", "[server]") {
  for (bool chunked : {false, true}) {
    ServerEngine engine(options());
    std::string content;
    engine.receive("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    auto expect = [&](EventKind kind, mail::Reply reply) {
      REQUIRE(engine.next(content).kind == kind);
      engine.answer(reply);
    };
    expect(EventKind::hello, {250, {}, {}});
    expect(EventKind::mail, {250, {2, 1, 0}, "Ok"});
    expect(EventKind::rcpt, {250, {2, 1, 5}, "Ok"});
    engine.receive(chunked ? "BDAT 9\r\nabc\r\n" : "DATA\r\nabc\r\n");
    expect(EventKind::data, {354, {}, "Go"});
    CHECK(engine.next(content).kind == EventKind::content);
    engine.refuse_content({451, {4, 3, 0}, "Gone"});
    engine.output().clear();
    engine.receive(chunked ? "RSE" : "RSET\r\n.");
    CHECK(engine.next(content).kind == EventKind::need_more);
    engine.receive(chunked ? "T" : "\r\n");
    Event event = engine.next(content);
    CHECK(event.kind == EventKind::content_refused);
    CHECK(event.reply.code == 451);
    CHECK(engine.output() == "451 4.3.0 Gone\r\n");
    CHECK(content == "abc\r\n");
    CHECK(engine.state() == (chunked ? ServerState::chunk_failed : ServerState::ready));
  }
}

TEST_CASE("bounds of a session", "[server][limits]") {
  SECTION("errors") {
    ServerOptions few = options();
    few.errors = 3;
    TestHost host(few);
    say(host, "EHLO c\r\n");
    CHECK(say(host, "X\r\n") == 500);
    CHECK(say(host, "VRFY\r\n") == 501);
    host.feed("RCPT TO:<a@b>\r\n");
    std::string output = host.take_output();
    CHECK(output == "503 5.5.1 Error: need MAIL command\r\n421 4.7.0 Error: too many errors\r\n");
    CHECK(host.why == "too many errors");
  }
  SECTION("receive 12: errors are forgiven after a delivered message") {
    ServerOptions few = options();
    few.errors = 3;
    TestHost host(few);
    say(host, "EHLO c\r\n");
    for (int i = 0; i < 10; ++i) {
      INFO(i);
      CHECK(say(host, "MAIL FROM:<a@b>\r\n") == 250);
      CHECK(say(host, "RCPT TO:<nobody@d>\r\n") == 550);
      CHECK(say(host, "RCPT TO:<nobody@d>\r\n") == 550);
      CHECK(say(host, "RCPT TO:<c@d>\r\n") == 250);
      CHECK(say(host, "DATA\r\nx\r\n.\r\n") == 250);
    }
    CHECK_FALSE(host.closed);
  }
  SECTION("receive 12: a known client's list with many gone reaches the rest, within a bound") {
    ServerOptions few = options();
    few.errors = 3;
    few.recipients = 50;
    for (bool known : {true, false}) {
      TestHost host(few);
      host.engine.know_client(known);
      say(host, "EHLO c\r\nMAIL FROM:<a@b>\r\n");
      int refused = 0;
      while (!host.closed && refused < 1000) say(host, "RCPT TO:<nobody@d>\r\n"), ++refused;
      CHECK(refused == (known ? 53 : 3));
    }
  }
  SECTION("commands that do nothing") {
    ServerOptions few = options();
    few.errors = 3;
    TestHost host(few);
    int replies = 0;
    while (!host.closed && replies < 1000) say(host, "NOOP\r\n"), ++replies;
    CHECK(replies == 103);
  }
  SECTION("a line without end") {
    TestHost host(options());
    host.take_output();
    for (int i = 0; i < 70 && !host.closed; ++i) host.feed(std::string(1024, 'x'));
    CHECK(host.closed);
    CHECK(host.take_output() ==
          "500 5.5.2 Error: line too long\r\n"
          "421 4.7.0 Error: line without end, closing connection\r\n");
  }
  SECTION("recipients") {
    ServerOptions few = options();
    few.recipients = 2;
    TestHost host(few);
    say(host, way_to(ServerState::rcpt));
    CHECK(say(host, "RCPT TO:<c@d>\r\n") == 250);
    CHECK(say(host, "RCPT TO:<c@d>\r\n") == 452);
    CHECK(say(host, "DATA\r\n") == 354);
  }
  SECTION("chunks") {
    TestHost host(options());
    say(host, way_to(ServerState::rcpt));
    std::string many;
    for (std::uint32_t i = 0; i < kChunksMax; ++i) many += "BDAT 0\r\n";
    CHECK(say(host, many) == 250);
    CHECK(say(host, "BDAT 0\r\n") == 552);
    CHECK(say(host, "BDAT 0 LAST\r\n") == 503);
  }
  SECTION("numbers of BDAT") {
    for (const char* number :
         {"", "x", "-1", "+1", "0x10", "1 FIRST", "1 LAST LAST", "18446744073709551616",
          "1111111111111111111111111111111111111111", "9223372036854775807"}) {
      INFO(number);
      TestHost host(options());
      say(host, way_to(ServerState::rcpt));
      int code = say(host, std::string("BDAT ") + number + "\r\nQUIT\r\n");
      CHECK((code == 501 || code == 552));
      CHECK(host.closed);
      CHECK(host.resets == 1);
    }
  }
  SECTION("a BDAT line with a lone LF does not turn content into commands") {
    TestHost host(options());
    say(host, way_to(ServerState::rcpt));
    CHECK(say(host, "BDAT 6\nNOOP\r\n") == 500);
    CHECK(host.closed);
  }
}

TEST_CASE("receive 3: what the engine refuses by itself is told", "[server]") {
  ServerOptions with_auth = options();
  with_auth.auth = with_auth.auth_without_tls = true;
  with_auth.errors = 100;
  TestHost host(with_auth);
  host.feed(
      "EHLO a b\r\nEHLO c\r\nMAIL FROM:<a@b> SIZE=99999999999\r\nMAIL FROM:<x y@b>\r\n"
      "MAIL FROM:<a@b>\r\nRCPT TO:<c@d > X\r\nRCPT TO:<nobody@d>\r\nDATA\r\nsecret\r\n"
      "RSET\r\nAUTH NONE secret\r\n");
  std::uint64_t more = 0;
  std::vector<OwnRefusal> told = host.engine.take_refusals(more);
  struct {
    const char* stage;
    int code;
    const char* said;
    const char* address;
  } want[] = {
      {"EHLO", 501, "EHLO a b", ""},
      {"MAIL", 552, "MAIL FROM:<a@b> SIZE=99999999999", "a@b"},
      {"MAIL", 501, "MAIL FROM:<x y@b>", "x y@b"},
      {"RCPT", 501, "RCPT TO:<c@d > X", "c@d "},
      {"DATA", 503, "DATA", ""},
      {"unknown", 500, "", ""},  // could be a password
      {"AUTH", 504, "", ""},
  };
  REQUIRE(told.size() == std::size(want));  // the host's own 550 is not among them
  for (std::size_t i = 0; i < told.size(); ++i) {
    INFO(i);
    CHECK(told[i].stage == want[i].stage);
    CHECK(told[i].reply.code == want[i].code);
    CHECK(told[i].said == want[i].said);
    CHECK(told[i].address == want[i].address);
  }
  CHECK(more == 0);
  for (int i = 0; i < 60; ++i) host.feed("X\r\n");
  CHECK(host.engine.take_refusals(more).size() == kRefusalsKept);
  CHECK(more == 60 - kRefusalsKept);
  host.engine.shut_down({421, {4, 4, 2}, "Error: timeout exceeded"}, "timed out");
  told = host.engine.take_refusals(more);
  REQUIRE(told.size() == 1);
  CHECK(told[0].stage == "session");
  CHECK(told[0].why == "timed out");
}

TEST_CASE("a reply is always whole lines of printable text", "[server]") {
  TestHost host(options());
  say(host, way_to(ServerState::rcpt));
  host.final_reply = {550, {5, 0, 0}, "two\nlines\r\n\x1b[2Jand" + std::string(600, 'x')};
  host.feed("DATA\r\nx\r\n.\r\n");
  std::string output = host.take_output();
  std::string want = "550-5.0.0 two\r\n550-5.0.0 lines?\r\n550 5.0.0 ?[2Jand";
  REQUIRE(output.size() > want.size());
  CHECK(output.substr(output.find("550"), want.size()) == want);
  CHECK(output.size() < 620);
}

TEST_CASE("the envelope reaches the host", "[server]") {
  TestHost host(options());
  host.feed(
      "EHLO c\r\nMAIL FROM:<a@b> RET=HDRS ENVID=e1 BODY=8BITMIME\r\n"
      "RCPT TO:<c@d> NOTIFY=NEVER\r\nRCPT TO:<no@d>\r\nRCPT TO:<c@d> ORCPT=rfc822;z@d\r\n"
      "DATA\r\nx\r\n.\r\n");
  REQUIRE(host.accepted.size() == 1);
  const mail::Envelope& envelope = host.accepted[0].envelope;
  CHECK(envelope.reverse_path.text() == "a@b");
  CHECK(envelope.envid == "e1");
  CHECK(envelope.ret == mail::DsnReturn::headers);
  CHECK(envelope.body == mail::BodyType::eight_bit_mime);
  // The same address twice stays twice.
  REQUIRE(envelope.recipients.size() == 2);
  CHECK(envelope.recipients[0].notify.bits == mail::Notify::never);
  CHECK(envelope.recipients[1].orcpt == "rfc822;z@d");
}
