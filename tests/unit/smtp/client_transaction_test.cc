// SMTP transactions: what leaves when, and what each reply means.
#include <catch2/catch.hpp>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

Cuts any_cuts() {
  return GENERATE(Cuts::whole, Cuts::bytes, Cuts::random);
}

const Message kOne("a@x.example", {"b@y.example"}, "Subject: one\r\n\r\n.dot\r\n");
const Message kTwo("a@x.example", {"b@y.example", "c@y.example"}, "two\r\n");
const std::string kAllOfOne = "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n";
const std::string kAllOfTwo =
    "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nRCPT TO:<c@y.example>\r\nDATA\r\n";

}  // namespace

TEST_CASE("without PIPELINING every command waits for its reply") {
  auto client = ready_client(kPlainHello, any_cuts());
  client->give(kTwo, 7);
  CHECK(client->sent() == "MAIL FROM:<a@x.example>\r\n");
  client->hear("250 ok\r\n");
  CHECK(client->sent() == "RCPT TO:<b@y.example>\r\n");
  client->hear("550 5.1.1 no\r\n");
  CHECK(client->happened() == Events{"7/0 failed rcpt recipient 550"});
  CHECK(client->sent() == "RCPT TO:<c@y.example>\r\n");
  client->hear("250 ok\r\n");
  CHECK(client->sent() == "DATA\r\n");
  CHECK(client->engine.wait() == Wait::data);
  client->hear("354 go\r\n");
  CHECK(client->sent() == "two\r\n.\r\n");
  CHECK(client->engine.wait() == Wait::final);
  CHECK(client->engine.past_end(7));
  client->hear("250 2.0.0 done\r\n");
  CHECK(client->happened() == Events{"7/1 delivered final_reply nobody 250", "finished 7"});
  CHECK(client->outcomes.back().reply.one_line() == "250 2.0.0 done");
}

TEST_CASE("with PIPELINING an envelope is one flight") {
  auto client = ready_client(kPipelineHello, any_cuts());
  client->give(kOne, 1);
  CHECK(client->sent() == kAllOfOne);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(client->sent() == "Subject: one\r\n\r\n..dot\r\n.\r\n");
  client->hear("250 done\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250", "finished 1"});
}

TEST_CASE("a probe asks up to RCPT, and leaves nothing behind") {
  for (const std::string& hello : {kPlainHello, kPipelineHello}) {
    auto client = ready_client(hello, any_cuts());
    Message ask("", {"b@y.example", "c@y.example", "d@y.example"}, "");
    Transaction probe = ask.transaction(5);
    probe.probe = true;
    client->queue.push_back(probe);
    client->pump();
    client->hear("250 ok\r\n");
    client->hear("250 2.1.5 he is here\r\n");
    client->hear("550 5.1.1 no\r\n");
    client->hear("450 later\r\n");
    std::string said = client->sent();
    CHECK(said.find("DATA") == std::string::npos);
    CHECK(said.find("BDAT") == std::string::npos);
    CHECK(client->happened() == Events{"5/0 delivered rcpt nobody 250",
                                       "5/1 failed rcpt recipient 550",
                                       "5/2 deferred rcpt recipient 450", "finished 5"});
    CHECK(client->engine.idle());
    client->give(kOne, 6);
    CHECK(client->sent().substr(0, 6) == "RSET\r\n");
  }
}

TEST_CASE("the next envelope rides behind the end of data") {
  auto client = ready_client(kPipelineHello, any_cuts());
  client->give(kOne, 1);
  client->give(kTwo, 2);
  client->give(kOne, 3);
  CHECK(client->sent() == kAllOfOne);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(client->sent() == "Subject: one\r\n\r\n..dot\r\n.\r\n" + kAllOfTwo);
  client->hear("250 done\r\n250 ok\r\n250 ok\r\n450 later\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250", "finished 1",
                                     "2/1 deferred rcpt recipient 450"});
  CHECK(client->sent().empty());
  client->hear("354 go\r\n");
  CHECK(client->sent() == "two\r\n.\r\n" + kAllOfOne);
}

TEST_CASE("a refused transaction") {
  struct Row {
    std::string name;
    std::string replies;  // to MAIL, RCPT, RCPT, DATA
    std::string sent;
    Events want;
  };
  const std::vector<Row> rows = {
      {"MAIL 5yz",
       "550 no\r\n503 x\r\n503 x\r\n503 x\r\n",
       "",
       {"1/0 failed mail sender 550", "1/1 failed mail sender 550", "finished 1"}},
      {"MAIL 4yz",
       "451 no\r\n503 x\r\n503 x\r\n503 x\r\n",
       "",
       {"1/0 deferred mail sender 451", "1/1 deferred mail sender 451", "finished 1"}},
      {"all RCPT",
       "250 ok\r\n550 x\r\n452 x\r\n554 nobody\r\n",
       "",
       {"1/0 failed rcpt recipient 550", "1/1 deferred rcpt recipient 452", "finished 1"}},
      {"552 to RCPT is too many recipients",
       "250 ok\r\n552 x\r\n552 x\r\n554 nobody\r\n",
       "",
       {"1/0 deferred rcpt recipient 552", "1/1 deferred rcpt recipient 552", "finished 1"}},
      {"all RCPT, yet 354: a lone dot",
       "250 ok\r\n550 x\r\n550 x\r\n354 go\r\n554 empty\r\n",
       ".\r\n",
       {"1/0 failed rcpt recipient 550", "1/1 failed rcpt recipient 550", "finished 1"}},
      {"DATA 5yz",
       "250 ok\r\n250 ok\r\n550 x\r\n554 no\r\n",
       "",
       {"1/1 failed rcpt recipient 550", "1/0 failed data message 554", "finished 1"}},
      {"DATA 4yz",
       "250 ok\r\n250 ok\r\n250 x\r\n451 no\r\n",
       "",
       {"1/0 deferred data message 451", "1/1 deferred data message 451", "finished 1"}},
      {"final 5yz",
       "250 ok\r\n250 ok\r\n250 x\r\n354 go\r\n554 spam\r\n",
       "two\r\n.\r\n",
       {"1/0 failed final_reply message 554", "1/1 failed final_reply message 554", "finished 1"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    auto client = ready_client(kPipelineHello, any_cuts());
    client->give(kTwo, 1);
    CHECK(client->sent() == kAllOfTwo);
    client->hear(row.replies);
    CHECK(client->sent() == row.sent);
    CHECK(client->happened() == row.want);
    CHECK(client->engine.idle());
    // The connection goes on; RSET first where a transaction may still be open.
    bool open = row.replies.substr(0, 3) == "250" && row.name != "final 5yz";
    client->give(kOne, 2);
    CHECK(client->sent() == (open ? "RSET\r\n" : "") + kAllOfOne);
    client->hear(std::string(open ? "250 reset\r\n" : "") + "250 a\r\n250 b\r\n354 c\r\n250 d\r\n");
    CHECK(client->happened() == Events{"2/0 delivered final_reply nobody 250", "finished 2"});
  }
}

TEST_CASE("all RCPT refused without PIPELINING: no DATA") {
  auto client = ready_client(kPlainHello);
  client->give(kOne, 1);
  client->hear("250 ok\r\n");
  client->hear("550 no\r\n");
  CHECK(client->happened() == Events{"1/0 failed rcpt recipient 550", "finished 1"});
  CHECK(client->sent() == "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n");
  client->give(kOne, 2);
  CHECK(client->sent() == "RSET\r\n");
  client->hear("250 ok\r\n");
  CHECK(client->sent() == "MAIL FROM:<a@x.example>\r\n");
}

TEST_CASE("the connection is lost at every stage") {
  struct Row {
    std::string heard;
    std::string want;  // of the first recipient; empty: returned
    bool in_doubt;
  };
  const std::vector<Row> rows = {
      {"", "", false},
      {"250 ok\r\n", "deferred rcpt destination 4.4.2", false},
      {"250 ok\r\n250 ok\r\n", "deferred rcpt nobody 4.4.0", false},
      {"250 ok\r\n250 ok\r\n250 ok\r\n", "deferred data destination 4.4.2", false},
      {"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "deferred final_reply destination 4.4.2", true},
      {"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n25", "deferred final_reply destination 4.4.2",
       true},
  };
  for (const Row& row : rows)
    for (int how = 0; how < 3; ++how) {
      CAPTURE(row.heard, how);
      auto client = ready_client(kPipelineHello);
      client->give(kTwo, 1);
      client->hear(row.heard);
      if (how == 0) client->engine.lost("gone");
      if (how == 1) client->engine.timed_out();
      if (how == 2 &&
          row.heard.substr(row.heard.size() - std::min<std::size_t>(2, row.heard.size())) != "25")
        client->hear("noise\r\n");
      else
        client->engine.lost("");
      client->pump();
      std::string status = how == 2 ? "4.5.0" : "4.4.2";
      Events events = client->happened();
      std::erase(events, "suspected pipelining");  // F7; client_form_test.cc
      if (row.want.empty()) {
        CHECK(events.front() == "returned 1 deferred mail destination " +
                                    events.front().substr(events.front().size() - 5));
        continue;
      }
      std::string first = "1/0 " + row.want + (row.in_doubt ? " in_doubt" : "");
      if (events.front().find("4.5.0") != std::string::npos && first.find("4.4.2") != first.npos)
        first.replace(first.find("4.4.2"), 5, "4.5.0");
      REQUIRE(events.size() == 4);
      CHECK(events[0] == first);
      CHECK(events[2] == "finished 1");
      CHECK(events[3].substr(0, 8) == "unusable");
    }
}

TEST_CASE("421 in the middle: deferred, the destination's fault, nobody in doubt") {
  auto client = ready_client(kPipelineHello, any_cuts());
  client->give(kTwo, 1);
  client->give(kOne, 2);
  client->hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  client->happened();
  client->hear("421 4.3.2 closing\r\n");
  CHECK(client->happened() == Events{"1/0 deferred final_reply destination 421",
                                     "1/1 deferred final_reply destination 421", "finished 1",
                                     "returned 2 deferred final_reply destination 421",
                                     "unusable deferred final_reply destination 421"});
}

TEST_CASE("F2: the session ends at one recipient, and the others are not told his reply") {
  const Message three("a@x.example", {"a@y.example", "poison@y.example", "c@y.example"}, "hi\r\n");
  for (bool hangs_up : {false, true}) {
    auto client = ready_client(hangs_up ? kPipelineHello : "250 mx.example\r\n");
    client->give(three, 1);
    client->hear("250 ok\r\n");
    client->hear("250 ok\r\n");
    if (hangs_up) {
      client->engine.lost("gone");
      client->pump();
    } else {
      client->hear("421 4.2.1 <poison> not now\r\n");
    }
    std::string his = hangs_up ? "4.4.2" : "421";
    CHECK(client->happened() == Events{"1/0 deferred rcpt nobody 4.4.0",
                                       "1/1 deferred rcpt destination " + his,
                                       "1/2 deferred rcpt nobody 4.4.0", "finished 1",
                                       "unusable deferred rcpt destination " + his});
  }
}

TEST_CASE("the connection is lost with the next envelope already sent") {
  auto client = ready_client(kPipelineHello);
  client->give(kOne, 1);
  client->give(kTwo, 2);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  client->engine.lost("gone");
  client->pump();
  CHECK(client->happened() == Events{"1/0 deferred final_reply destination 4.4.2 in_doubt",
                                     "finished 1",
                                     "returned 2 deferred final_reply destination 4.4.2",
                                     "unusable deferred final_reply destination 4.4.2"});
}

TEST_CASE("replies out of place end the session") {
  auto client = ready_client(kPipelineHello);
  client->give(kOne, 1);
  client->hear("250 ok\r\n250 ok\r\n250 what\r\n");  // 250 to DATA
  CHECK(client->happened() == Events{"1/0 deferred data destination 4.5.0", "finished 1",
                                     "unusable deferred data destination 4.5.0"});
}

TEST_CASE("S12: BDAT carries CR and LF only as CRLF, unless it is BINARYMIME") {
  const std::string chunking = "250-there\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-CHUNKING\r\n";
  const std::string smuggling = "Subject: x\r\n\r\nhi\n.\nMAIL FROM:<boss@x>\rQUIT\r\n";
  const std::string whole = "Subject: x\r\n\r\nhi\r\n.\r\nMAIL FROM:<boss@x>\r\nQUIT\r\n";
  SECTION("text") {
    auto client = ready_client(chunking + "250 8BITMIME\r\n", any_cuts());
    client->give(Message("a@x.example", {"b@y.example"}, smuggling), 1);
    CHECK(client->sent() == "MAIL FROM:<a@x.example> SIZE=" + std::to_string(whole.size()) +
                                "\r\nRCPT TO:<b@y.example>\r\nBDAT " +
                                std::to_string(whole.size()) + " LAST\r\n" + whole);
  }
  SECTION("binary") {
    auto client = ready_client(chunking + "250 BINARYMIME\r\n", any_cuts());
    Message message("a@x.example", {"b@y.example"}, smuggling);
    message.envelope.body = mail::BodyType::binary_mime;
    client->give(message, 1);
    const std::string sent = client->sent();  // which it tells once
    CHECK(sent.find("BODY=BINARYMIME") != std::string::npos);
    CHECK(sent.find("BDAT " + std::to_string(smuggling.size()) + " LAST\r\n" + smuggling) !=
          std::string::npos);
  }
}

TEST_CASE("CHUNKING: envelope and content in one flight") {
  const std::string chunking = "250-there\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
  const std::string head = "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n";
  auto client = ready_client(chunking, any_cuts());
  client->give(kOne, 1);
  client->give(kOne, 2);
  CHECK(client->sent() == head + "BDAT 22 LAST\r\n" + kOne.content);
  SECTION("accepted; the second waits for the reply") {
    client->hear("250 ok\r\n250 ok\r\n250 done\r\n");
    CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250", "finished 1"});
    CHECK(client->sent() == head + "BDAT 22 LAST\r\n" + kOne.content);
  }
  SECTION("recipient refused: the chunk has its own refusal, then RSET") {
    client->hear("250 ok\r\n550 no\r\n503 nobody\r\n");
    CHECK(client->happened() == Events{"1/0 failed rcpt recipient 550", "finished 1"});
    CHECK(client->sent().substr(0, 10) == "RSET\r\nMAIL");
  }
  SECTION("chunk refused: RSET") {
    client->hear("250 ok\r\n250 ok\r\n552 5.3.4 big\r\n");
    CHECK(client->happened() == Events{"1/0 failed final_reply message 552", "finished 1"});
    CHECK(client->sent().substr(0, 10) == "RSET\r\nMAIL");
  }
  SECTION("lost before any reply: the whole message was sent, so it is in doubt") {
    client->engine.lost("");
    client->pump();
    CHECK(client->happened().front() == "1/0 deferred final_reply destination 4.4.2 in_doubt");
  }
}

TEST_CASE("CHUNKING without PIPELINING") {
  auto client = ready_client("250-there\r\n250 CHUNKING\r\n");
  client->give(kOne, 1);
  client->hear("250 ok\r\n");
  client->hear("550 no\r\n");
  CHECK(client->sent() == "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n");
  CHECK(client->happened() == Events{"1/0 failed rcpt recipient 550", "finished 1"});
}

TEST_CASE("content that is not inlined is asked for") {
  Message message("a@x.example", {"b@y.example"}, "");
  message.inlined = false;
  auto client = ready_client(kPipelineHello, any_cuts());
  client->give(message, 1);
  client->give(kOne, 2);
  client->sent();
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(client->happened() == Events{"want_content 1"});
  CHECK(client->engine.wait() == Wait::block);
  CHECK_FALSE(client->engine.wants_transaction());
  client->engine.give_content(1, "one\r", false);
  client->pump();
  CHECK(client->sent() == "one");
  CHECK_FALSE(client->engine.past_end(1));
  client->engine.give_content(1, "\n.two", true);
  client->pump();
  CHECK(client->sent() == "\r\n..two\r\n.\r\n" + kAllOfOne);
  CHECK(client->engine.past_end(1));
}

TEST_CASE("content that cannot be read gets no end of data") {
  Message message("a@x.example", {"b@y.example"}, "");
  message.inlined = false;
  auto client = ready_client(kPipelineHello);
  client->give(message, 1);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  client->engine.give_content(1, "half\r\n", false);
  client->pump();
  client->sent();
  client->happened();
  client->engine.abandon("cannot be read");
  client->pump();
  CHECK(client->sent().empty());
  CHECK(client->happened() == Events{"1/0 deferred local local 4.3.0", "finished 1",
                                     "unusable deferred content destination 4.3.0"});
}

TEST_CASE("stop: what is past its end of data is awaited, the rest is given up") {
  auto client = ready_client(kPipelineHello);
  client->give(kOne, 1);
  client->give(kTwo, 2);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  client->sent();
  client->engine.stop("qmgr gone");
  client->pump();
  CHECK(client->happened() ==
        Events{"2/0 deferred local local 4.3.0", "2/1 deferred local local 4.3.0", "finished 2"});
  CHECK(client->engine.usable());
  client->hear("250 done\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250", "finished 1",
                                     "unusable deferred mail destination 4.3.0"});
  CHECK_FALSE(client->engine.usable());
  CHECK(client->sent().empty());
}

namespace {

const std::string kChunkHello = "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const std::string kChunked = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 4 LAST\r\nhi\r\n";
const std::string kTaken = "250 ok\r\n250 ok\r\n250 done\r\n";
const std::string kReset = "RSET\r\n";

std::string delivered(int key) {
  return std::to_string(key) + "/0 delivered final_reply nobody 250";
}

// A client that has had one message taken, and three more on their way.
std::unique_ptr<Client> three_in_flight(const Message& message, ClientOptions options = {}) {
  auto client = ready_client(kChunkHello, Cuts::random, std::move(options));
  for (std::uint64_t key = 1; key <= 4; ++key) client->give(message, key);
  CHECK(client->sent() == kChunked);
  client->hear(kTaken);
  client->happened();
  return client;
}

}  // namespace

TEST_CASE("messages travel whole behind each other, more of them as the connection proves itself") {
  Message message("a@x", {"b@y"}, "hi\r\n");
  auto client = ready_client(kChunkHello);
  for (std::uint64_t key = 1; key <= 60; ++key) client->give(message, key);
  for (std::size_t expected : {1, 4, 16, 32}) {
    std::string want = kChunked;
    std::string replies = kTaken;
    for (std::size_t i = 1; i < expected; ++i) {
      want += kReset + kChunked;
      replies += "250 reset\r\n" + kTaken;
    }
    CHECK(client->sent() == want);
    client->engine.receive(replies);  // all at once, before anything more is sent
    client->pump();
  }
}

TEST_CASE("several in flight: each has its own end") {
  Message message("a@x", {"b@y"}, "hi\r\n");
  auto client = three_in_flight(message);
  CHECK(client->sent() == kChunked + kReset + kChunked + kReset + kChunked);
  SECTION("all are taken") {
    client->hear(kTaken + "250 reset\r\n" + kTaken + "250 reset\r\n" + kTaken);
    CHECK(client->happened() == Events{delivered(2), "finished 2", delivered(3), "finished 3",
                                       delivered(4), "finished 4"});
    client->give(message, 5);
    CHECK(client->sent() == kChunked);  // nothing is left open on the server
  }
  SECTION("one is refused in the middle, by each command") {
    const std::string bad =
        GENERATE(as<std::string>(), "550 no\r\n503 no\r\n503 no\r\n",
                 "250 ok\r\n550 no\r\n503 no\r\n", "250 ok\r\n250 ok\r\n554 no\r\n");
    client->hear(kTaken + "250 reset\r\n" + bad + "250 reset\r\n" + kTaken);
    Events events = client->happened();
    REQUIRE(events.size() == 6);
    CHECK(events[2].find("3/0 failed") == 0);
    CHECK(events[4] == delivered(4));
    client->give(message, 5);
    CHECK(client->sent() == kChunked);
  }
  SECTION("the last is refused: the next begins with RSET") {
    client->hear(kTaken + "250 reset\r\n" + kTaken + "250 reset\r\n250 ok\r\n250 ok\r\n554 no\r\n");
    client->happened();
    client->give(message, 5);
    CHECK(client->sent() == kReset + kChunked);
  }
  SECTION("the connection breaks: all that left whole are in doubt") {
    client->hear(kTaken + "250 reset\r\n250 ok\r\n");
    client->happened();
    client->engine.lost("reset");
    client->pump();
    Events events = client->happened();
    REQUIRE(events.size() == 5);
    CHECK(events[0].find("3/0 deferred final_reply destination 4.4.2 in_doubt") == 0);
    CHECK(events[2].find("4/0 deferred final_reply destination 4.4.2 in_doubt") == 0);
  }
  SECTION("421 in the middle: what was not answered may go another way") {
    client->hear(kTaken + "421 bye\r\n");
    Events events = client->happened();
    REQUIRE(events.size() == 5);
    CHECK(events[2].find("returned 3") == 0);
    CHECK(events[3].find("returned 4") == 0);
  }
}

TEST_CASE("one by one where it is said, and in LMTP") {
  Message message("a@x", {"b@y"}, "hi\r\n");
  ClientOptions careful;
  careful.flight_max = 1;
  auto client = three_in_flight(message, careful);
  CHECK(client->sent() == kChunked);
  ClientOptions lmtp;
  lmtp.dialect = &kLmtp;
  client = three_in_flight(message, lmtp);
  CHECK(client->sent() == kChunked);
}
