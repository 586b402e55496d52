// Rspamd, asked by HTTP in the course of sessions: what it is told, and what follows from answers.
#include "tests/unit/filter/filter_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

// A worker of Rspamd: takes one question on each connection, and answers what its script says.
class PlayedRspamd {
 public:
  struct Peer {
    net::Stream stream{};
    std::string question{};
    bool gone = false;
  };
  // The whole answer of HTTP; empty: none, "close": the end of the connection.
  using Script = std::function<std::string(const std::string& question)>;

  PlayedRspamd(Rig& rig, const std::string& name, Script play)
      : script(std::move(play)),
        listener_(
            rig.loop,
            net::bind_listener({.host = {}, .port = 0, .unix_path = rig.folder.at(name)}).take(),
            [this](net::Stream stream) { take(std::move(stream)); }) {}

  Script script;
  std::vector<std::unique_ptr<Peer>> peers;

 private:
  void take(net::Stream stream) {
    peers.push_back(std::make_unique<Peer>());
    Peer& peer = *peers.back();
    peer.stream = std::move(stream);
    auto close = [&peer] {
      peer.gone = true;
      peer.stream.reset();
    };
    peer.stream.start({
        .on_data =
            [this, &peer, close](std::string_view octets) {
              peer.question += octets;
              if (!peer.question.ends_with("\r\n0\r\n\r\n")) return;
              std::string answer = script(peer.question);
              if (answer == "close") return close();
              peer.stream.write(answer);
            },
        .on_end = close,
        .on_error = [close](const Error&) { close(); },
        .on_drained = {},
        .on_descriptor = {},
    });
  }

  net::Listener listener_;
};

std::string http(const std::string& json, int status = 200) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(json.size()) + "\r\n\r\n" + json;
}

PlayedRspamd::Script says(const std::string& json) {
  return [json](const std::string&) { return http(json); };
}

config::Filter rspamd_filter() {
  config::Filter out = all_granted();
  out.speak = config::FilterProtocol::rspamd;
  return out;
}

}  // namespace

TEST_CASE("Rspamd is told of session, envelope and message, in chunks") {
  Rig rig({rspamd_filter()});
  PlayedRspamd worker(rig, "a", says(R"({"action": "no action"})"));
  rig.open();
  rig.ask(FilterStage::connect, {},
          {{"j", "mx.example"}, {"auth_authen", "user"}, {"tls_version", "TLSv1.3"}});
  rig.ask(FilterStage::helo, "client.example");
  CHECK(rig.message("hello\r\n") == "accept");
  REQUIRE(worker.peers.size() == 1);
  const std::string& question = worker.peers[0]->question;
  CHECK(question.starts_with("POST /checkv2 HTTP/1.1\r\n"));
  for (std::string_view line :
       {"IP: 192.0.2.1", "Hostname: client.example", "Helo: client.example", "MTA-Name: mx.example",
        "User: user", "TLS-Version: TLSv1.3", "From: a@example.org", "Rcpt: b@example.net",
        "Deliver-To: b@example.net"})
    CHECK(question.find("\r\n" + std::string(line) + "\r\n") != std::string::npos);
  CHECK(question.ends_with("Subject: one\r\nX-A: 1\r\n\r\n\r\n7\r\nhello\r\n\r\n0\r\n\r\n"));
  CHECK(rig.message(std::string(300'000, 'a') + "\r\n") == "accept");
  CHECK(worker.peers[1]->question.size() > 300'000);
}

TEST_CASE("a body that has waited for the connection to Rspamd goes on, in a small share") {
  Rig rig({rspamd_filter()});
  PlayedRspamd worker(rig, "a", says(R"({"action": "no action"})"));
  rig.crowd(600);
  rig.greet();
  rig.envelope();
  rig.smtpd->send(ipc::FilterHeader{1, 1, "Received: us\r\nSubject: one\r\n"});
  rig.tell(FilterStage::end_of_header, {}, false);
  std::string begin(rig.may_send, 'a');
  rig.smtpd->send(ipc::FilterBody{1, begin});
  rig.may_send = 0;
  CHECK(rig.until([&] { return rig.may_send > 0; }));
}

TEST_CASE("each action of Rspamd becomes a verdict") {
  auto [json, expected] = GENERATE(table<std::string, std::string>({
      {R"({"action": "no action"})", "accept"},
      {R"({"action": "greylist"})", "accept"},
      {R"({"action": "soft reject"})", "defer 451 4.7.1 Try again later"},
      {R"({"action": "soft reject", "messages": {"smtp_message": "later"}})",
       "defer 451 4.7.1 later"},
      {R"({"action": "reject"})", "refuse 554 5.7.1 Spam message rejected"},
      {R"({"action": "discard"})", "discard"},
      {R"({"action": "quarantine"})", "accept held for a: quarantine"},
  }));
  CAPTURE(json);
  Rig rig({rspamd_filter()});
  PlayedRspamd worker(rig, "a", says(json));
  rig.greet();
  CHECK(rig.message() == expected);
  worker.script = says(R"({"action": "no action"})");
  CHECK(rig.message() == "accept");
}

TEST_CASE("what Rspamd wants changed, its score and its symbols") {
  Rig rig({rspamd_filter()});
  PlayedRspamd worker(rig, "a", says(R"({"action": "rewrite subject", "subject": "SPAM: one",
      "score": 6.5, "required_score": 15, "symbols": {"A": {"score": 4.5}, "B": {"score": 2}},
      "milter": {"add_headers": {"X-Top": {"value": "1", "order": 0}, "X-End": "2"},
                 "remove_headers": {"X-A": 0}, "change_from": "new@example.org"}})"));
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(rig.sections[rig.end_of_message] ==
        "X-Top: 1\r\nReceived: us\r\nSubject: SPAM: one\r\nX-End: 2\r\n");
  REQUIRE(rig.result().sender);
  CHECK(rig.result().sender->address == "new@example.org");
  REQUIRE(rig.result().judgements.size() == 1);
  const ipc::FilterJudgement& said = rig.result().judgements[0];
  CHECK(said.score == 6500);
  CHECK(said.score_limit == 15000);
  REQUIRE(said.scores.size() == 2);
  CHECK(said.scores[0].name == "A");
  CHECK(said.edits == 5);
}

TEST_CASE("a watched Rspamd, and one that may do nothing, change nothing") {
  config::Filter settings = rspamd_filter();
  bool watched = GENERATE(true, false);
  if (watched)
    settings.mode = config::FilterMode::watch;
  else
    settings.may = {};
  auto json = GENERATE(as<std::string>{}, R"({"action": "reject", "score": 20})",
                       R"({"action": "add header", "score": 20})");
  Rig rig({settings});
  PlayedRspamd worker(rig, "a", says(json));
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK_FALSE(rig.result().header_changed);
  CHECK(rig.result().judgements.at(0).score == 20000);
}

TEST_CASE("an Rspamd that is no good: each message as the operator says") {
  auto answer = GENERATE(as<std::string>{}, "close", "SSH-2.0-x\r\n", http("{}", 500), http("{}"),
                         http("[1]"), http(R"({"action": "reject"})") + "more");
  auto [then, expected] = GENERATE(table<config::FilterFailure, std::string>({
      {config::FilterFailure::accept, "accept"},
      {config::FilterFailure::defer,
       "defer 451 4.7.1 mail cannot be checked at the moment, try again later"},
  }));
  CAPTURE(answer);
  config::Filter settings = rspamd_filter();
  settings.on_failure = then;
  Rig rig({settings});
  PlayedRspamd worker(rig, "a", [&](const std::string&) { return answer; });
  rig.greet();
  CHECK(rig.message() == expected);
  worker.script = says(R"({"action": "no action"})");
  CHECK(rig.message() == "accept");
}

TEST_CASE("an Rspamd that is not there, or silent") {
  config::Filter settings = rspamd_filter();
  settings.timeout.reply = 2s;
  Rig rig({settings});
  rig.greet();
  CHECK(rig.message() == "defer 451 4.7.1 mail cannot be checked at the moment, try again later");
  PlayedRspamd worker(rig, "a", [](const std::string&) { return std::string(); });
  rig.envelope();
  rig.content();
  REQUIRE(rig.until(
      [&] { return !worker.peers.empty() && worker.peers[0]->question.ends_with("0\r\n\r\n"); }));
  rig.settle();
  rig.clock.pass(1900ms);
  rig.settle();
  CHECK(rig.results.count(rig.end_of_message) == 0);
  rig.clock.pass(200ms);
  CHECK(rig.result().verdict == FilterVerdict::defer);
}

TEST_CASE("RSET while Rspamd thinks: its answer is nobody's") {
  Rig rig({rspamd_filter()});
  PlayedRspamd worker(rig, "a", [](const std::string&) { return std::string(); });
  rig.greet();
  rig.envelope();
  rig.content();
  REQUIRE(rig.until(
      [&] { return !worker.peers.empty() && worker.peers[0]->question.ends_with("0\r\n\r\n"); }));
  rig.smtpd->send(ipc::FilterAbort{1});
  rig.settle();
  worker.script = says(R"({"action": "no action"})");
  if (!worker.peers[0]->gone) worker.peers[0]->stream.write(http(R"({"action": "reject"})"));
  CHECK(rig.message() == "accept");
}
