// The outcome table: at every stage of a session and a transaction the peer says or does something,
// and this is what becomes of the recipient, of the connection, and who is to blame. The policy
// behind it stands in prose in common/smtp/client/outcome_rules.cc.
#include <catch2/catch.hpp>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

enum class At { greeting, hello, starttls, auth, mail, rcpt, data, content, final };
constexpr At kStages[] = {At::greeting, At::hello, At::starttls, At::auth, At::mail,
                          At::rcpt,     At::data,  At::content,  At::final};

// Up to the reply that this stage waits for; one by one, so that every stage is a wait of its own.
std::unique_ptr<Client> arrive_at(At stage, const Dialect& dialect, Message& message) {
  ClientOptions options;
  options.dialect = &dialect;
  bool under_tls = stage == At::starttls;
  options.tls = under_tls ? TlsUse::required : TlsUse::never;
  options.login = stage == At::auth;
  options.login_without_tls = true;
  auto client = std::make_unique<Client>(options, Cuts::whole);
  if (stage == At::greeting) return client;
  client->hear("220 hi\r\n");
  if (stage == At::hello) return client;
  client->hear(under_tls ? "250-x\r\n250 STARTTLS\r\n" : "250-x\r\n250 AUTH PLAIN\r\n");
  if (stage == At::auth) {
    client->engine.begin_login("PLAIN", std::string("x"));
    client->pump();
  }
  if (stage == At::starttls || stage == At::auth) return client;
  message.inlined = stage != At::content;
  client->give(message, 1);
  if (stage == At::mail) return client;
  client->hear("250 ok\r\n");
  if (stage == At::rcpt) return client;
  client->hear("250 ok\r\n");
  if (stage == At::data) return client;
  client->hear("354 go\r\n");
  return client;
}

// "deferred recipient, kept": what was said of the recipient (or of the whole session, where no
// transaction has begun), and whether the connection goes on.
std::string told_by(Client& client) {
  std::string said;
  for (const std::string& event : client.happened()) {
    std::size_t key = event.find("1/0 ");
    if (event.find("returned 1 ") == 0) said = "again: " + event.substr(11);
    if (key == 0) said = event.substr(4);
    if (said.empty() && event.find("unusable ") == 0) said = event.substr(9);
  }
  // "deferred rcpt recipient 450 in_doubt" -> disposition, blame, doubt.
  std::string out;
  std::size_t number = 0;
  std::size_t skip = said.find("again: ") == 0 ? 1 : 0;
  for (std::size_t start = 0; start < said.size(); ++number) {
    std::size_t end = std::min(said.find(' ', start), said.size());
    std::string word = said.substr(start, end - start);
    bool shown = number <= skip || number == skip + 2 || word == "in_doubt";
    if (shown) out += (out.empty() ? "" : " ") + word;
    start = end + 1;
  }
  if (out.empty()) out = client.sent();
  return out + (client.engine.usable() ? ", kept" : ", closed");
}

std::string outcome(const Dialect& dialect, At stage, const std::string& trouble) {
  Message message("a@x", {"b@y"}, "hi\r\n");
  auto client = arrive_at(stage, dialect, message);
  client->happened();
  client->sent();
  if (trouble == "lost")
    client->engine.lost("reset");
  else if (trouble == "late")
    client->engine.timed_out();
  else
    client->hear(trouble);
  client->pump();
  return told_by(*client);
}

}  // namespace

TEST_CASE("the outcome table") {
  const std::string kHop = "deferred destination, closed";
  const std::string kAgain = "again: deferred destination, closed";
  const std::string kDoubt = "deferred destination in_doubt, closed";
  struct Row {
    At stage;
    // after 450, 550, 421, a lost connection, a time-out, and noise
    std::vector<std::string> smtp;
    std::vector<std::string> lmtp;
  };
  const std::vector<std::string> all_hop(6, kHop);
  const std::vector<Row> rows = {
      {At::greeting, all_hop, all_hop},
      // An old server does not know EHLO; LMTP has no older hello.
      {At::hello, {kHop, "HELO us.example\r\n, kept", kHop, kHop, kHop, kHop}, all_hop},
      {At::starttls, all_hop, all_hop},
      {At::auth, all_hop, all_hop},
      {At::mail,
       {"deferred sender, kept", "failed sender, kept", kAgain, kAgain, kAgain, kAgain},
       {"deferred sender, kept", "failed sender, kept", kAgain, kAgain, kAgain, kAgain}},
      {At::rcpt,
       {"deferred recipient, kept", "failed recipient, kept", kHop, kHop, kHop, kHop},
       {"deferred recipient, kept", "failed recipient, kept", kHop, kHop, kHop, kHop}},
      {At::data,
       {"deferred message, kept", "failed message, kept", kHop, kHop, kHop, kHop},
       {"deferred message, kept", "failed message, kept", kHop, kHop, kHop, kHop}},
      // F10: a refusal before the end of the content is the answer to it.
      {At::content,
       {"deferred message, closed", "failed message, closed", kHop, kHop, kHop, kHop},
       {"deferred message, closed", "failed message, closed", kHop, kHop, kHop, kHop}},
      {At::final,
       {"deferred message, kept", "failed message, kept", kHop, kDoubt, kDoubt, kDoubt},
       {"deferred recipient, kept", "failed recipient, kept", kHop, kDoubt, kDoubt, kDoubt}},
  };
  const std::vector<std::string> troubles = {"450 no\r\n", "550 no\r\n", "421 bye\r\n",
                                             "lost",       "late",       "what is this\r\n"};
  REQUIRE(rows.size() == std::size(kStages));
  for (const Row& row : rows)
    for (std::size_t i = 0; i < troubles.size(); ++i) {
      CAPTURE(static_cast<int>(row.stage), troubles[i]);
      CHECK(outcome(kSmtp, row.stage, troubles[i]) == row.smtp[i]);
      CHECK(outcome(kLmtp, row.stage, troubles[i]) == row.lmtp[i]);
    }
}

TEST_CASE("every kind of noise at every stage ends the session and fails nobody") {
  const std::vector<std::string> noises = {std::string("250 a\0b\r\n", 9),
                                           "250-a\r\n550 b\r\n",
                                           "\r\n",
                                           "999 what\r\n",
                                           "25",
                                           "250 " + std::string(5000, 'x'),
                                           std::string(100, '\xff') + "\r\n",
                                           "HTTP/1.1 400 Bad\r\n"};
  for (const Dialect* dialect : {&kSmtp, &kLmtp})
    for (At stage : kStages)
      for (const std::string& noise : noises) {
        CAPTURE(dialect->name, static_cast<int>(stage), noise);
        Message message("a@x", {"b@y"}, "hi\r\n");
        auto client = arrive_at(stage, *dialect, message);
        client->happened();
        client->hear(noise);
        // A line that never ends is ended by the time-out.
        if (client->engine.usable()) client->engine.timed_out();
        client->pump();
        CHECK_FALSE(client->engine.usable());
        for (const mail::Outcome& one : client->outcomes)
          CHECK(one.disposition == mail::Disposition::deferred);
      }
}
