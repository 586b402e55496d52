// Ends of data that leave at their time only: where they are in what is sent, and what becomes of
// transactions whose end was produced and has not left.
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

const Message kFirst("a@x", {"b@y"}, "one\r\n");
const Message kSecond("a@x", {"c@y"}, "two\r\n");
const std::string kBdatHello = "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const std::string kBeforeChunk = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n";

// The ways by which a first message's end of data comes to be produced; each leaves the client with
// that end behind everything else that was sent.
struct Way {
  std::string name;
  std::function<std::unique_ptr<Client>()> run;
};

std::unique_ptr<Client> holding_client(const std::string& hello, ClientOptions options = {}) {
  auto client = ready_client(hello, Cuts::whole, std::move(options));
  client->holds_ends = true;
  return client;
}

std::unique_ptr<Client> by_data(const std::string& hello) {
  auto client = holding_client(hello);
  client->give(kFirst, 1);
  for (const char* reply : {"250 ok\r\n", "250 ok\r\n", "354 go\r\n"}) client->hear(reply);
  return client;
}

std::unique_ptr<Client> by_stream() {
  Message large("a@x", {"b@y"}, "");
  large.inlined = false;
  static Message kept = large;  // the engine points to it
  auto client = holding_client(kPipelineHello);
  client->give(kept, 1);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  client->engine.give_content(1, "on", false);
  client->pump();
  client->engine.give_content(1, "e\r\n", true);
  client->pump();
  return client;
}

std::unique_ptr<Client> by_lmtp() {
  ClientOptions options;
  options.dialect = &kLmtp;
  auto client = holding_client(kPipelineHello, options);
  client->give(kFirst, 1);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  return client;
}

// All of it in one flight; the replies to its envelope come before the end leaves.
std::unique_ptr<Client> by_chunk() {
  auto client = holding_client(kBdatHello);
  client->give(kFirst, 1);
  client->hear("250 ok\r\n250 ok\r\n");
  return client;
}

const std::vector<Way>& ways() {
  static const std::vector<Way> all = {
      {"DATA, one by one", [] { return by_data(kPlainHello); }},
      {"DATA", [] { return by_data(kPipelineHello); }},
      {"DATA, streamed", by_stream},
      {"LMTP", by_lmtp},
      {"BDAT", by_chunk},
  };
  return all;
}

bool in_doubt(const Client& client) {
  return std::any_of(client.outcomes.begin(), client.outcomes.end(),
                     [](const mail::Outcome& outcome) { return outcome.in_doubt; });
}

}  // namespace

TEST_CASE("N1: ends: a transaction is past its end when that has left, not before") {
  for (const Way& way : ways()) {
    CAPTURE(way.name);
    auto client = way.run();
    REQUIRE(client->ends.size() == 1);
    std::string sent = client->sent();
    CHECK(client->ends[0] == sent.size());
    CHECK((sent.ends_with("one\r\n.\r\n") || sent.ends_with("BDAT 5 LAST\r\none\r\n")));
    CHECK_FALSE(client->engine.past_end(1));
    CHECK(client->engine.stage() == mail::Stage::content);
    CHECK(client->engine.stage(1) == mail::Stage::content);
    CHECK(client->engine.wait() == Wait::block);
    client->engine.end_left();
    CHECK(client->engine.past_end(1));
    CHECK(client->engine.stage() == mail::Stage::final_reply);
    CHECK(client->engine.wait() == Wait::final);
    client->hear("250 done\r\n");
    CHECK(client->happened().back() == "finished 1");
    CHECK(client->outcomes.back().disposition == mail::Disposition::delivered);
  }
}

TEST_CASE("N2: ends: whatever ends the session, only who has the end may have the message") {
  struct Row {
    std::string name;
    std::function<void(ClientEngine&)> happens;
    bool doubtful;  // once the end has left
  };
  const Row rows[] = {
      {"lost", [](ClientEngine& engine) { engine.lost("reset"); }, true},
      {"timed out", [](ClientEngine& engine) { engine.timed_out(); }, true},
      {"abandoned", [](ClientEngine& engine) { engine.abandon("the end"); }, true},
      {"421", [](ClientEngine& engine) { engine.receive("421 4.3.2 bye\r\n"); }, false},
      {"nonsense", [](ClientEngine& engine) { engine.receive("nonsense\r\n"); }, true},
  };
  for (const Way& way : ways()) {
    for (const Row& row : rows) {
      CAPTURE(way.name, row.name);
      auto held = way.run();
      held->sent();
      row.happens(held->engine);
      held->pump();
      CHECK_FALSE(held->engine.usable());
      CHECK(held->sent().empty());
      REQUIRE(held->outcomes.size() == 1);
      CHECK(held->outcomes[0].disposition == mail::Disposition::deferred);
      CHECK_FALSE(in_doubt(*held));
      auto left = way.run();
      left->engine.end_left();
      row.happens(left->engine);
      left->pump();
      REQUIRE(left->outcomes.size() == 1);
      CHECK(in_doubt(*left) == row.doubtful);
    }
  }
}

TEST_CASE("N3: ends: what has been given of a content and was not produced is never sent") {
  auto client = holding_client(kPipelineHello);
  Message large("a@x", {"b@y"}, "");
  large.inlined = false;
  client->give(large, 1);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  client->sent();
  client->engine.give_content(1, "all of it\r\n", true);
  client->engine.stop("others have it");
  client->pump();
  CHECK(client->sent().empty());
  CHECK(client->ends.empty());
  CHECK(client->happened().back() == "unusable deferred content destination 4.3.0");
  CHECK_FALSE(in_doubt(*client));
}

TEST_CASE("N4: ends: stop gives up what has not left, and awaits the rest") {
  ClientOptions options;
  auto client = holding_client(kBdatHello, options);
  // One has proven the way, so that several travel at once.
  client->give(kFirst, 1);
  client->engine.end_left();
  client->hear("250 ok\r\n250 ok\r\n250 done\r\n");
  client->sent();
  client->happened();
  client->outcomes.clear();
  client->ends.clear();
  for (std::uint64_t key = 2; key <= 5; ++key) client->queue.push_back(kSecond.transaction(key));
  client->pump();
  std::string sent = client->sent();
  REQUIRE(client->ends.size() == 4);
  for (std::size_t end : client->ends)
    CHECK(sent.substr(0, end).ends_with("BDAT 5 LAST\r\ntwo\r\n"));
  std::size_t left = GENERATE(0, 1, 3);
  for (std::size_t i = 0; i < left; ++i) client->engine.end_left();
  for (std::size_t i = 0; i < 4; ++i) CHECK(client->engine.past_end(2 + i) == (i < left));
  client->engine.stop("too old");
  client->pump();
  CHECK(client->outcomes.size() == 4 - left);
  for (const mail::Outcome& outcome : client->outcomes) {
    CHECK(outcome.stage == mail::Stage::local);
    CHECK(outcome.blame == mail::Blame::local);
    CHECK(outcome.reply.text == "too old");
  }
  CHECK_FALSE(in_doubt(*client));
  CHECK(client->engine.usable() == (left > 0));
  for (std::size_t i = 0; i < left; ++i)
    client->hear("250 reset\r\n250 ok\r\n250 ok\r\n250 done\r\n");
  CHECK_FALSE(client->engine.usable());
  CHECK(client->sent().empty());
  CHECK(std::count_if(client->outcomes.begin(), client->outcomes.end(), [](const auto& outcome) {
          return outcome.disposition == mail::Disposition::delivered;
        }) == static_cast<std::ptrdiff_t>(left));
}

TEST_CASE("N5: ends: a reply to what has not left is no word on the message") {
  for (const Way& way : ways()) {
    CAPTURE(way.name);
    auto taken = way.run();
    taken->hear("250 taken\r\n");
    CHECK(taken->happened().back() == "unusable deferred content destination 4.5.0");
    CHECK(taken->outcomes[0].disposition == mail::Disposition::deferred);
    CHECK_FALSE(in_doubt(*taken));
    // A refusal of the content may come early.
    auto refused = way.run();
    refused->hear("554 5.7.1 spam\r\n");
    CHECK(refused->outcomes[0].disposition == mail::Disposition::failed);
    CHECK_FALSE(refused->engine.usable());
  }
  auto unknown = by_chunk();
  unknown->hear("500 5.5.1 what is BDAT\r\n");
  Events events = unknown->happened();
  REQUIRE(events.size() == 3);
  CHECK(events[0] == "lacks chunking");
  CHECK(events[1].starts_with("returned 1 deferred data"));
}

TEST_CASE(
    "N6: ends: an end for nobody may be refused before it has left, and the session goes on") {
  auto client = holding_client(kBdatHello);
  client->give(kFirst, 1);
  client->hear("250 ok\r\n550 no\r\n503 nobody\r\n");
  CHECK(client->happened() == Events{"1/0 failed rcpt recipient 550", "finished 1"});
  client->engine.end_left();  // it leaves all the same, or the server would miss octets
  client->sent();
  client->give(kSecond, 2);
  CHECK(client->sent() == "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nBDAT 5 LAST\r\ntwo\r\n");
  CHECK_FALSE(client->engine.past_end(2));
  client->engine.end_left();
  client->hear("250 reset\r\n250 ok\r\n250 ok\r\n250 done\r\n");
  CHECK(client->happened() == Events{"2/0 delivered final_reply nobody 250", "finished 2"});
}

TEST_CASE("N7: ends: a first chunk, a probe and a dot for nobody are none") {
  ClientOptions options;
  options.prove_chunking = true;
  auto client = holding_client(kBdatHello, options);
  Message lines("a@x", {"b@y"}, "one\r\ntwo\r\n");
  client->give(lines, 1);
  CHECK(client->sent() == kBeforeChunk + "BDAT 5\r\none\r\n");
  CHECK(client->ends.empty());
  client->hear("250 ok\r\n250 ok\r\n250 chunk\r\n");
  CHECK(client->sent() == "BDAT 5 LAST\r\ntwo\r\n");
  CHECK(client->ends.size() == 1);

  auto asking = holding_client(kPipelineHello);
  Transaction probe = kFirst.transaction(1);
  probe.probe = true;
  asking->queue.push_back(probe);
  asking->pump();
  asking->hear("250 ok\r\n250 ok\r\n");
  CHECK(asking->ends.empty());
  CHECK(asking->happened().front() == "1/0 delivered rcpt nobody 250");

  auto nobody = holding_client(kPipelineHello);
  nobody->give(kFirst, 1);
  nobody->sent();
  nobody->hear("250 ok\r\n550 no\r\n354 go\r\n");
  CHECK(nobody->sent() == ".\r\n");
  CHECK(nobody->ends.empty());
}

TEST_CASE("N8: ends: the octets are the same, whether ends are told or not") {
  for (bool chunks : {false, true}) {
    std::string replies;
    std::string sent[2];
    for (bool told : {false, true}) {
      auto client = ready_client(chunks ? kBdatHello : kPipelineHello);
      client->holds_ends = told;
      std::size_t left = 0;
      auto step = [&](const std::string& heard) {
        sent[told ? 1 : 0] += client->sent();
        for (; told && left < client->ends.size(); ++left) client->engine.end_left();
        client->hear(heard);
      };
      for (std::uint64_t key = 1; key <= 9; ++key)
        client->queue.push_back((key % 2 == 0 ? kFirst : kSecond).transaction(key));
      client->pump();
      for (int i = 0; i < 9; ++i) {
        if (chunks)
          step(i == 0 ? "250 ok\r\n250 ok\r\n250 done\r\n"
                      : "250 reset\r\n250 ok\r\n250 ok\r\n250 done\r\n");
        else
          step("250 ok\r\n250 ok\r\n354 go\r\n"), step("250 done\r\n");
      }
      step("");
      CHECK(client->outcomes.size() == 9);
      CHECK(client->ends.size() == (told ? 9U : 0U));
    }
    CHECK(sent[0] == sent[1]);
  }
}
