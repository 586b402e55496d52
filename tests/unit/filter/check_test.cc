// What `postwain filter check` finds of policy services, Rspamd and DNS lists.
#include "tests/unit/filter/strangers_rig.h"

#include <csignal>

#include <nlohmann/json.hpp>

#include "common/net/loop_clock.h"
#include "common/net/stream.h"
#include "filter/deciding/policy_rights.h"
#include "filter/trial/check.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

using Json = nlohmann::json;

// A server that answers each question, which ends as that says, with the next of its answers;
// without one it ends the connection.
class PlayedServer {
 public:
  PlayedServer(net::Loop& loop, const std::string& path, std::string end,
               std::vector<std::string> answers)
      : end_(std::move(end)),
        answers_(std::move(answers)),
        listener_(loop, net::bind_listener({.host = {}, .port = 0, .unix_path = path}).take(),
                  [this](net::Stream stream) { take(std::move(stream)); }) {}

  std::vector<std::string> questions;

 private:
  struct Peer {
    net::Stream stream{};
    std::string question{};
  };
  void take(net::Stream stream) {
    peers_.push_back(std::make_unique<Peer>());
    Peer& peer = *peers_.back();
    peer.stream = std::move(stream);
    peer.stream.start({
        .on_data = [this, &peer](std::string_view octets) { heard(peer, octets); },
        .on_end = [&peer] { peer.stream.reset(); },
        .on_error = [&peer](const Error&) { peer.stream.reset(); },
        .on_drained = {},
        .on_descriptor = {},
    });
  }
  void heard(Peer& peer, std::string_view octets) {
    peer.question += octets;
    bool has_message = peer.question.starts_with("POST");
    if (!peer.question.ends_with(has_message ? "\r\n0\r\n\r\n" : end_)) return;
    questions.push_back(std::exchange(peer.question, {}));
    if (questions.size() > answers_.size()) return peer.stream.reset();
    peer.stream.write(answers_[questions.size() - 1]);
  }

  std::string end_;
  std::vector<std::string> answers_;
  std::vector<std::unique_ptr<Peer>> peers_;
  net::Listener listener_;
};

struct Bench {
  explicit Bench(config::FilterProtocol speak) {
    ::signal(SIGPIPE, SIG_IGN);
    config.hostname = "mx.us.example";
    config.postmaster = "postmaster@us.example";
    config::Filter& one = config.filters.emplace_back();
    one.name = "one";
    one.speak = speak;
    one.socket.unix_path = std::string(folder.path) + "/one";
  }
  Bench() = default;

  PlayedServer& serve(std::vector<std::string> answers) {
    bool is_policy = config.filters[0].speak == config::FilterProtocol::policy;
    server = std::make_unique<PlayedServer>(loop, config.filters[0].socket.unix_path,
                                            is_policy ? "\n\n" : "\r\n\r\n", std::move(answers));
    return *server;
  }
  Json check() {
    Shared shared{loop, clock};
    net::Timer limit(loop);
    limit.start(20s, [this] { loop.stop(); });
    return Json::parse(check_filters(shared, config, dns));
  }
  Json filter() { return check().at("filters").at(0); }

  SeenFolder folder;
  net::Loop loop;
  net::LoopClock clock{loop};
  config::Config config;
  PlayedDns dns;
  std::unique_ptr<PlayedServer> server;
};

std::string http_answer(const std::string& body, int status = 200) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nServer: rspamd/3.4\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

}  // namespace

TEST_CASE("a policy service is asked at each of its stages about mail from nobody") {
  Bench bench(config::FilterProtocol::policy);
  config::Filter& filter = bench.config.filters[0];
  filter.stages = {config::PolicyStage::data, config::PolicyStage::rcpt};
  filter.may = {config::FilterRight::headers};
  PlayedServer& server =
      bench.serve({"action=defer_if_permit come again\n\n", "action=PREPEND X-A: b\n\n"});
  Json said = bench.filter();
  CHECK(said["state"] == "works");
  CHECK(said["speaks"] == "policy");
  REQUIRE(said["answers"].size() == 2);
  CHECK(said["answers"][0]["stage"] == "RCPT");
  CHECK(said["answers"][0]["action"] == "defer_if_permit");
  CHECK(said["answers"][0]["reply"] == "450 4.7.1 come again");
  CHECK(said["answers"][0]["not_allowed"] == "defer");
  CHECK(said["answers"][1]["stage"] == "DATA");
  CHECK(said["answers"][1]["field"] == "X-A");
  CHECK_FALSE(said["answers"][1].contains("not_allowed"));
  REQUIRE(server.questions.size() == 2);
  for (const char* line :
       {"protocol_state=RCPT\n", "client_address=192.0.2.1\n", "sender=\n", "client_name=unknown\n",
        "helo_name=client.invalid\n", "recipient=postmaster@us.example\n"})
    CHECK(server.questions[0].find(line) != std::string::npos);
}

TEST_CASE("of a policy service that cannot be used the check says why") {
  auto [answer, reason] = GENERATE(table<std::string, std::string>({
      {"", "it closed the connection"},
      {"action=SURPRISE\n\n", "its action is none: SURPRISE"},
      {"220 smtp ready\n", "its answer is not made of name=value"},
  }));
  Bench bench(config::FilterProtocol::policy);
  bench.serve(answer.empty() ? std::vector<std::string>{} : std::vector{answer});
  Json said = bench.filter();
  CHECK(said["state"] == "failed");
  CHECK(said["reason"] == reason);
  CHECK(said["stage"] == "RCPT");
}

TEST_CASE("a policy service that is not there, or silent, has failed") {
  Bench absent(config::FilterProtocol::policy);
  CHECK(absent.filter()["failure"] == "unreachable");
  Bench silent(config::FilterProtocol::policy);
  silent.config.filters[0].timeout.reply = 30ms;
  silent.serve({"\x20"});
  CHECK(silent.filter()["failure"] == "late");
}

TEST_CASE("an action that cannot be done is a failure, and its words are told") {
  Bench bench(config::FilterProtocol::policy);
  bench.serve({"action=FILTER smtp:[192.0.2.1]\n\n"});
  Json said = bench.filter();
  CHECK(said["state"] == "failed");
  CHECK_FALSE(said.contains("failure"));
  CHECK(said["answers"][0]["text"] == "FILTER: a message cannot be given another route");
  Bench late(config::FilterProtocol::policy);
  late.config.filters[0].stages = {config::PolicyStage::end_of_message};
  late.serve({"action=PREPEND X-A: b\n\n"});
  CHECK(late.filter()["state"] == "failed");
}

TEST_CASE("Rspamd is pinged, and scans a message") {
  Bench bench(config::FilterProtocol::rspamd);
  bench.config.filters[0].may = {};
  PlayedServer& server =
      bench.serve({http_answer("pong\r\n"),
                   http_answer(R"({"action":"reject","score":20.5,"required_score":15})")});
  Json said = bench.filter();
  CHECK(said["state"] == "works");
  CHECK(said["ping"] == "pong");
  CHECK(said["server"] == "rspamd/3.4");
  CHECK(said["action"] == "reject");
  CHECK(said["score"] == 20.5);
  CHECK(said["score_limit"] == 15);
  CHECK(said["not_allowed"] == 1);
  REQUIRE(server.questions.size() == 2);
  CHECK(server.questions[0].starts_with("GET /ping HTTP/1.1\r\n"));
  CHECK(server.questions[1].starts_with("POST /checkv2 HTTP/1.1\r\n"));
  CHECK(server.questions[1].find("\r\nRcpt: postmaster@us.example\r\n") != std::string::npos);
}

TEST_CASE("of an Rspamd that cannot be used the check says why") {
  Bench odd(config::FilterProtocol::rspamd);
  odd.serve({http_answer("what?", 404), http_answer("{}")});
  Json said = odd.filter();
  CHECK(said["state"] == "failed");
  CHECK(said["ping"] == "status 404");
  CHECK(said["reason"] == "its answer is not that of Rspamd");
  Bench other(config::FilterProtocol::rspamd);
  other.serve({"220 smtp ready\r\n"});
  CHECK(other.filter()["reason"] == "its answer is no HTTP");
  Bench absent(config::FilterProtocol::rspamd);
  CHECK(absent.filter()["failure"] == "unreachable");
}

TEST_CASE("DNS lists are tested once, and known by their labels") {
  Bench bench;
  bench.config.strangers = strangers_of();
  config::DnsList closed = bench.config.strangers.lists[0];
  closed.zone = "closed.example";
  closed.label = "closed";
  bench.config.strangers.lists.push_back(closed);
  bench.dns.addresses["2.0.0.127.k3y.zen.example"] = {"127.0.0.2"};
  Json said = bench.check();
  REQUIRE(said["dns_lists"].size() == 2);
  CHECK(said["dns_lists"][0]["list"] == "zen");
  CHECK(said["dns_lists"][0]["state"] == "works");
  CHECK(said["dns_lists"][0]["health"] == "good");
  CHECK(said["dns_lists"][0]["to_be_listed"][0] == "listed");
  CHECK(said["dns_lists"][1]["state"] == "failed");
  CHECK(said["dns_lists"][1]["health"] == "lists_none");
  CHECK(said.dump().find("k3y") == std::string::npos);
}

TEST_CASE("what is not over when the loop is stopped was late") {
  Bench bench;
  bench.config.strangers = strangers_of();
  bench.dns.held.insert("2.0.0.127.k3y.zen.example");
  net::Timer stop(bench.loop);
  stop.start(20ms, [&] { bench.loop.stop(); });
  Json said = bench.check()["dns_lists"][0];
  CHECK(said["state"] == "failed");
  CHECK(said["failure"] == "late");
  bench.dns.let_go("2.0.0.127.k3y.zen.example");  // nobody is there to hear it
}

TEST_CASE("each action of a policy service needs the right that it takes") {
  using config::FilterRight;
  using policy_service::Action;
  for (Action action : {Action::none, Action::permit, Action::remark, Action::mistake})
    CHECK_FALSE(right_for(action));
  for (Action action :
       {Action::defer, Action::defer_if_permit, Action::defer_if_reject, Action::hang_up})
    CHECK(right_for(action) == FilterRight::defer);
  CHECK(right_for(Action::refuse) == FilterRight::refuse);
  CHECK(right_for(Action::hold) == FilterRight::hold);
  CHECK(right_for(Action::discard) == FilterRight::discard);
  CHECK(right_for(Action::redirect) == FilterRight::recipients);
  CHECK(right_for(Action::blind_copy) == FilterRight::recipients);
  CHECK(right_for(Action::prepend) == FilterRight::headers);
}
