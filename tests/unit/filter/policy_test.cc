// Policy services in the course of sessions: what they are asked, and what follows from each
// answer.
#include "tests/unit/filter/filter_rig.h"

#include <algorithm>

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

namespace {

using config::PolicyStage;
using Attributes = std::map<std::string, std::string>;

// A service: answers what its script says of the attributes.
class PlayedService {
 public:
  struct Peer {
    net::Stream stream{};
    std::string rest{};
    bool gone = false;
  };
  // The whole answer; "close": the end of the connection, before one.
  using Script = std::function<std::string(const Attributes&)>;

  PlayedService(Rig& rig, const std::string& name, Script play)
      : script(std::move(play)),
        listener_(
            rig.loop,
            net::bind_listener({.host = {}, .port = 0, .unix_path = rig.folder.at(name)}).take(),
            [this](net::Stream stream) { take(std::move(stream)); }) {}

  Script script;
  std::vector<Attributes> got;
  int connections = 0;
  std::vector<std::unique_ptr<Peer>> peers;

  std::string states() const {
    std::string out;
    for (const Attributes& one : got) out += (out.empty() ? "" : " ") + one.at("protocol_state");
    return out;
  }

 private:
  void take(net::Stream stream) {
    ++connections;
    peers.push_back(std::make_unique<Peer>());
    Peer& peer = *peers.back();
    peer.stream = std::move(stream);
    auto close = [&peer] {
      peer.gone = true;
      peer.stream.reset();
    };
    peer.stream.start({
        .on_data = [this, &peer](std::string_view octets) { heard(peer, octets); },
        .on_end = close,
        .on_error = [close](const Error&) { close(); },
        .on_drained = {},
        .on_descriptor = {},
    });
  }
  void heard(Peer& peer, std::string_view octets) {
    peer.rest += octets;
    for (std::size_t end; !peer.gone && (end = peer.rest.find("\n\n")) != std::string::npos;) {
      Attributes question;
      std::string_view lines = std::string_view(peer.rest).substr(0, end + 1);
      while (!lines.empty()) {
        std::string_view line = lines.substr(0, lines.find('\n'));
        std::size_t equals = line.find('=');
        question[std::string(line.substr(0, equals))] = line.substr(equals + 1);
        lines.remove_prefix(line.size() + 1);
      }
      peer.rest.erase(0, end + 2);
      got.push_back(question);
      std::string answer = script(question);
      if (answer != "close") {
        peer.stream.write(answer);
      } else {
        peer.gone = true;
        peer.stream.reset();
      }
    }
  }

  net::Listener listener_;
};

PlayedService::Script always(const std::string& action) {
  return [action](const Attributes&) { return "action=" + action + "\n\n"; };
}

PlayedService::Script at(const std::string& state, const std::string& action) {
  return [=](const Attributes& question) {
    return "action=" + (question.at("protocol_state") == state ? action : "DUNNO") + "\n\n";
  };
}

config::Filter policy(std::vector<PolicyStage> stages = {PolicyStage::rcpt}) {
  config::Filter out = all_granted();
  out.speak = config::FilterProtocol::policy;
  out.stages = std::move(stages);
  return out;
}

const std::vector<PolicyStage> kEverywhere = {PolicyStage::connect, PolicyStage::helo,
                                              PolicyStage::mail,    PolicyStage::rcpt,
                                              PolicyStage::data,    PolicyStage::end_of_message};

config::Filter watched(config::Filter filter) {
  filter.mode = config::FilterMode::watch;
  return filter;
}

const ipc::FilterJudgement& judgement(Rig& rig) {
  const ipc::FilterResult& result = rig.result();
  REQUIRE(result.judgements.size() == 1);
  return result.judgements.front();
}

}  // namespace

TEST_CASE("a policy service is asked at its stages, with the attributes that Postfix has there") {
  Rig rig({policy(kEverywhere)});
  PlayedService service(rig, "a", always("DUNNO"));
  rig.open();
  rig.ask(FilterStage::connect, {},
          {{"r", "ESMTPS"},
           {"client_ptr", "ptr.example"},
           {"daemon_addr", "198.51.100.1"},
           {"daemon_port", "25"},
           {"tls_version", "TLSv1.3"},
           {"cert_fingerprint", "0aff"},
           {"cert_subject", "a b+c"}});
  rig.ask(FilterStage::helo, "client.example");
  CHECK(rig.message() == "accept");
  CHECK(service.states() == "CONNECT EHLO MAIL RCPT DATA END-OF-MESSAGE");
  CHECK(service.connections == 1);
  auto of = [&](std::size_t at, const std::string& name) { return service.got.at(at).at(name); };
  CHECK(of(0, "request") == "smtpd_access_policy");
  CHECK(of(0, "client_address") == "192.0.2.1");
  CHECK(of(0, "client_name") == "client.example");
  CHECK(of(0, "reverse_client_name") == "ptr.example");
  CHECK(of(0, "client_port") == "4000");
  CHECK(of(0, "server_address") == "198.51.100.1");
  CHECK(of(0, "server_port") == "25");
  CHECK(of(0, "protocol_name") == "ESMTP");
  CHECK(of(0, "encryption_protocol") == "TLSv1.3");
  CHECK(of(0, "encryption_keysize") == "0");
  CHECK(of(0, "ccert_fingerprint") == "0A:FF");
  CHECK(of(0, "ccert_subject") == "a+20b+2Bc");
  CHECK(of(0, "helo_name").empty());
  CHECK(of(0, "sender").empty());
  CHECK(of(1, "helo_name") == "client.example");
  CHECK(of(2, "sender") == "a@example.org");
  CHECK(of(2, "recipient").empty());
  CHECK(of(2, "recipient_count") == "0");
  CHECK(of(3, "recipient") == "b@example.net");
  CHECK(of(4, "recipient") == "b@example.net");
  CHECK(of(4, "recipient_count") == "1");
  CHECK(of(5, "recipient_count") == "1");
  CHECK(of(3, "instance") == of(5, "instance"));
  std::string before = of(5, "instance");
  CHECK(rig.message() == "accept");
  CHECK(of(6, "protocol_state") == "MAIL");
  CHECK(of(6, "instance") != before);
  CHECK(service.connections == 1);
}

TEST_CASE("the recipient of a message with several is told at RCPT only") {
  Rig rig({policy({PolicyStage::rcpt, PolicyStage::data})});
  PlayedService service(rig, "a", [](const Attributes& question) {
    bool bad = question.at("recipient") == "bad@example.net";
    return std::string(bad ? "action=REJECT\n\n" : "action=\n\n");
  });
  rig.greet();
  rig.ask(FilterStage::mail, "<a@example.org>");
  rig.ask(FilterStage::rcpt, "<b@example.net>");
  CHECK(rig.asked(FilterStage::rcpt, "<bad@example.net>") == "refuse 554 5.7.1 refused by a");
  rig.ask(FilterStage::rcpt, "<c@example.net>");
  CHECK(rig.asked(FilterStage::data) == "accept");
  CHECK(service.got.back().at("recipient").empty());
  CHECK(service.got.back().at("recipient_count") == "2");
}

TEST_CASE("each answer of a policy service at RCPT") {
  auto [action, expected] = GENERATE(table<std::string, std::string>({
      {"DUNNO", "accept"},
      {"", "accept"},
      {"OK", "accept"},
      {"RELAY", "accept"},
      {"123", "accept"},
      {"INFO all is well", "accept"},
      {"WARN it is not", "accept"},
      {"REJECT", "at RCPT refuse 554 5.7.1 refused by a"},
      {"reject no such luck", "at RCPT refuse 554 5.7.1 no such luck"},
      {"REJECT 5.1.1 nobody", "at RCPT refuse 554 5.1.1 nobody"},
      {"550 5.1.1 nobody", "at RCPT refuse 550 5.1.1 nobody"},
      {"450 4.2.0 come again", "at RCPT defer 450 4.2.0 come again"},
      {"DEFER", "at RCPT defer 450 4.7.1 put off by a"},
      {"DEFER_IF_PERMIT greylisted", "at RCPT defer 450 4.7.1 greylisted"},
      {"DEFER_IF_REJECT later", "accept"},
      {"HANGUP", "at RCPT hang_up 421 4.7.0 put off by a"},
      {"421 bye", "at RCPT hang_up 421 4.7.0 bye"},
      {"DISCARD spam", "at RCPT discard"},
      {"HOLD looks odd", "accept held for a: looks odd"},
      {"FILTER smtp:[127.0.0.1]", "accept"},
      {"REDIRECT nobody", "accept"},
      {"PREPEND no field", "accept"},
  }));
  CAPTURE(action);
  Rig rig({policy()});
  PlayedService service(rig, "a", always(action));
  rig.greet();
  CHECK(rig.message() == expected);
}

TEST_CASE("a refusal at each stage of a policy service") {
  auto [state, stage, expected] = GENERATE(table<std::string, PolicyStage, std::string>({
      {"MAIL", PolicyStage::mail, "at MAIL refuse 554 5.7.1 no"},
      {"RCPT", PolicyStage::rcpt, "at RCPT refuse 554 5.7.1 no"},
      {"DATA", PolicyStage::data, "at DATA refuse 554 5.7.1 no"},
      {"END-OF-MESSAGE", PolicyStage::end_of_message, "refuse 554 5.7.1 no"},
  }));
  Rig rig({policy({stage})});
  PlayedService service(rig, "a", at(state, "REJECT no"));
  rig.greet();
  CHECK(rig.message() == expected);
  service.script = always("DUNNO");
  CHECK(rig.message() == "accept");
}

TEST_CASE("a policy service that refuses the session") {
  Rig rig({policy({PolicyStage::connect, PolicyStage::helo})});
  PlayedService service(rig, "a", at("EHLO", "REJECT not you"));
  rig.open();
  CHECK(rig.asked(FilterStage::connect) == "accept");
  CHECK(rig.asked(FilterStage::helo, "client.example") == "refuse 554 5.7.1 not you");
  CHECK(rig.message() == "at MAIL refuse 554 5.7.1 not you");
}

TEST_CASE(
    "fields stand above all others, in the order of the stages, and at the end there is none") {
  Rig rig({policy(kEverywhere)});
  PlayedService service(rig, "a", [](const Attributes& question) {
    return "action=PREPEND X-At: " + question.at("protocol_state") + "\n\n";
  });
  rig.greet();
  for (int i = 0; i < 2; ++i) {
    CHECK(rig.message() == "accept");
    CHECK(rig.sections[rig.end_of_message] ==
          "X-At: CONNECT\r\nX-At: EHLO\r\nX-At: MAIL\r\nX-At: RCPT\r\nX-At: DATA\r\n"
          "Received: us\r\nSubject: one\r\nX-A: 1\r\n");
  }
}

TEST_CASE("recipients that a policy service puts in the place of others, and beside them") {
  Rig rig({policy()});
  PlayedService service(rig, "a", always("REDIRECT <box@example.org>"));
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(rig.result().recipients_removed == std::vector<std::string>{"<b@example.net>"});
  REQUIRE(rig.result().recipients_added.size() == 1);
  CHECK(rig.result().recipients_added[0].address == "box@example.org");
  service.script = always("BCC copy@example.org");
  CHECK(rig.message() == "accept");
  CHECK(rig.result().recipients_removed.empty());
  REQUIRE(rig.result().recipients_added.size() == 1);
  CHECK(rig.result().recipients_added[0].address == "copy@example.org");
  CHECK(judgement(rig).edits == 1);
}

TEST_CASE("what a policy service may not do is not done, and counted") {
  config::Filter settings = policy();
  settings.may = {};
  Rig rig({settings});
  auto action = GENERATE(as<std::string>{}, "REJECT", "450 no", "DISCARD", "HOLD",
                         "BCC a@b.example", "REDIRECT a@b.example", "PREPEND X: y");
  CAPTURE(action);
  PlayedService service(rig, "a", always(action));
  rig.greet();
  CHECK(rig.message() == "accept");
  CHECK(rig.result().recipients_added.empty());
  CHECK_FALSE(rig.result().header_changed);
}

TEST_CASE("a watched policy service changes nothing") {
  Rig rig({watched(policy(kEverywhere))});
  PlayedService service(rig, "a", at("RCPT", "PREPEND X: y"));
  auto action = GENERATE(as<std::string>{}, "REJECT", "HOLD", "BCC a@b.example", "PREPEND X: y",
                         "DEFER_IF_PERMIT", "nonsense");
  CAPTURE(action);
  service.script = at("DATA", action);
  rig.open();
  rig.tell(FilterStage::connect, {}, false);
  rig.tell(FilterStage::helo, "client.example", false);
  rig.tell(FilterStage::mail, "<a@example.org>", false);
  rig.tell(FilterStage::rcpt, "<b@example.net>", false);
  rig.tell(FilterStage::data, {}, false);
  rig.content();
  CHECK(rig.result().verdict == FilterVerdict::keep_going);
  CHECK_FALSE(rig.result().hold);
  CHECK_FALSE(rig.result().header_changed);
  CHECK(rig.result().recipients_added.empty());
  CHECK(judgement(rig).watch);
}

TEST_CASE("DEFER_IF_PERMIT gives way to another one's refusal, DEFER_IF_REJECT softens it") {
  auto [first, second, expected] = GENERATE(table<std::string, std::string, std::string>({
      {"DEFER_IF_PERMIT wait", "DUNNO", "at RCPT defer 450 4.7.1 wait"},
      {"DEFER_IF_PERMIT wait", "OK", "at RCPT defer 450 4.7.1 wait"},
      {"DEFER_IF_PERMIT wait", "REJECT no", "at RCPT refuse 554 5.7.1 no"},
      {"DEFER_IF_REJECT wait", "REJECT no", "at RCPT defer 450 4.7.1 wait"},
      {"DEFER_IF_REJECT wait", "DUNNO", "accept"},
      {"DEFER_IF_REJECT wait", "DEFER later", "at RCPT defer 450 4.7.1 later"},
  }));
  CAPTURE(first, second);
  Rig rig({policy(), policy()});
  PlayedService one(rig, "a", always(first));
  PlayedService two(rig, "b", always(second));
  rig.greet();
  CHECK(rig.message() == expected);
}

TEST_CASE("the same conditions at the end of a message") {
  config::Filter at_end = policy({PolicyStage::end_of_message});
  auto [first, second, expected] = GENERATE(table<std::string, std::string, std::string>({
      {"DEFER_IF_PERMIT wait", "DUNNO", "defer 450 4.7.1 wait"},
      {"DEFER_IF_PERMIT wait", "REJECT no", "refuse 554 5.7.1 no"},
      {"DEFER_IF_REJECT wait", "REJECT no", "defer 450 4.7.1 wait"},
      {"DEFER_IF_REJECT wait", "DUNNO", "accept"},
  }));
  CAPTURE(first, second);
  Rig rig({at_end, at_end});
  PlayedService one(rig, "a", always(first));
  PlayedService two(rig, "b", always(second));
  rig.greet();
  CHECK(rig.message() == expected);
}

TEST_CASE("a milter behind a policy service sees its fields, and gets the body as it comes") {
  Rig rig({policy({PolicyStage::rcpt, PolicyStage::end_of_message}), all_granted(), policy()});
  PlayedService first(rig, "a", at("RCPT", "PREPEND X-First: 1"));
  PlayedFilter& milter = rig.play("b");
  PlayedService last(rig, "c", always("PREPEND X-Last: 1"));
  rig.greet();
  rig.envelope();
  rig.content(std::string(200'000, 'a') + "\r\n");
  CHECK(rig.result().verdict == FilterVerdict::keep_going);
  CHECK(rig.sections[rig.end_of_message].starts_with("X-Last: 1\r\nX-First: 1\r\nReceived:"));
  CHECK(milter.body().size() == 200'002);
  CHECK(first.states() == "RCPT END-OF-MESSAGE");
  CHECK(rig.result().judgements.size() == 3);
}

TEST_CASE("only strangers are shown to a policy service that wants no others") {
  config::Filter settings = policy();
  settings.clients = config::FilterClients::strangers;
  Rig rig({settings});
  PlayedService service(rig, "a", always("REJECT"));
  rig.greet();
  rig.ask(FilterStage::mail, "<a@example.org>");
  ipc::FilterEvent event;
  event.session = 1;
  event.known = true;
  event.awaited = true;
  for (auto [stage, text] : {std::pair(FilterStage::mail, "<a@example.org>"),
                             std::pair(FilterStage::rcpt, "<b@example.net>")}) {
    rig.smtpd->send(ipc::FilterAbort{1});
    event.number = ++rig.number;
    event.stage = stage;
    event.text = text;
    rig.smtpd->send(event);
    REQUIRE(rig.until([&] { return rig.answers.count(event.number) > 0; }));
    CHECK(rig.answers[event.number].verdict == FilterVerdict::keep_going);
  }
  CHECK(service.got.empty());
}

// --- failures ------------------------------------------------------------------------------------

TEST_CASE("a policy service that is no good: each message as the operator says") {
  auto answer =
      GENERATE(as<std::string>{}, "close", "action=FOO\n\n", "\n", "action=OK\naction=OK\n\n",
               "action=OK\n\naction=REJECT\n\n", "nonsense\n\n", std::string(40'000, 'a'));
  auto [then, expected] = GENERATE(table<config::FilterFailure, std::string>({
      {config::FilterFailure::accept, "accept"},
      {config::FilterFailure::defer,
       "at RCPT defer 451 4.7.1 mail cannot be checked at the moment, try again later"},
      {config::FilterFailure::refuse, "at RCPT refuse 554 5.7.1 mail cannot be checked"},
      {config::FilterFailure::hold, "accept held for a: it could not be asked"},
  }));
  CAPTURE(answer.substr(0, 40));
  config::Filter settings = policy();
  settings.on_failure = then;
  Rig rig({settings});
  PlayedService service(rig, "a", [&](const Attributes&) { return answer; });
  rig.greet();
  CHECK(rig.message() == expected);
  service.script = always("PREPEND X: y");
  CHECK(rig.message() == "accept");
  CHECK(rig.result().header_changed);
}

TEST_CASE("a policy service that is silent is late") {
  config::Filter settings = policy();
  settings.timeout.reply = 2s;
  Rig rig({settings});
  PlayedService service(rig, "a", [](const Attributes&) { return std::string(); });
  rig.greet();
  rig.ask(FilterStage::mail, "<a@example.org>");
  std::uint32_t asked = rig.tell(FilterStage::rcpt, "<b@example.net>");
  REQUIRE(rig.until([&] { return service.got.size() == 1; }));
  rig.clock.pass(1900ms);
  rig.settle();
  CHECK(rig.answers.count(asked) == 0);
  rig.clock.pass(200ms);
  REQUIRE(rig.until([&] { return rig.answers.count(asked) > 0; }));
  CHECK(rig.answers[asked].verdict == FilterVerdict::defer);
}

TEST_CASE("a policy service that closed an idle connection is asked on another one") {
  Rig rig({policy()});
  int left = 1;
  PlayedService service(rig, "a", [&](const Attributes&) {
    return std::string(left-- > 0 ? "action=DUNNO\n\n" : "close");
  });
  rig.greet();
  CHECK(rig.message() == "accept");
  service.script = [&](const Attributes&) {
    bool old = service.connections == 1;
    return std::string(old ? "close" : "action=DUNNO\n\n");
  };
  CHECK(rig.message() == "accept");
  CHECK(service.connections == 2);
  for (auto& peer : service.peers) {
    peer->gone = true;
    peer->stream.reset();
  }
  rig.settle();
  CHECK(rig.message() == "accept");
  CHECK(service.connections == 3);
}

TEST_CASE("an answer that comes octet by octet") {
  Rig rig({policy()});
  PlayedService service(rig, "a", [](const Attributes&) { return std::string(); });
  rig.greet();
  rig.ask(FilterStage::mail, "<a@example.org>");
  std::uint32_t asked = rig.tell(FilterStage::rcpt, "<b@example.net>");
  REQUIRE(rig.until([&] { return service.got.size() == 1; }));
  for (char c : std::string("action=550 5.1.1 no\n\n")) {
    CHECK(rig.answers.count(asked) == 0);
    service.peers[0]->stream.write(std::string(1, c));
    rig.settle(1ms);
  }
  REQUIRE(rig.until([&] { return rig.answers.count(asked) > 0; }));
  CHECK(rig.answers[asked].reply.one_line() == "550 5.1.1 no");
}

TEST_CASE("RSET while a policy service thinks: its answer is nobody's") {
  Rig rig({policy()});
  PlayedService service(rig, "a", [](const Attributes&) { return std::string(); });
  rig.greet();
  rig.ask(FilterStage::mail, "<a@example.org>");
  rig.tell(FilterStage::rcpt, "<b@example.net>");
  REQUIRE(rig.until([&] { return service.got.size() == 1; }));
  rig.smtpd->send(ipc::FilterAbort{1});
  rig.settle();
  service.script = always("DUNNO");
  if (!service.peers[0]->gone) service.peers[0]->stream.write("action=REJECT\n\n");
  CHECK(rig.message() == "accept");
}

TEST_CASE("after five failures nobody waits for a dead policy service") {
  config::Filter settings = policy(kEverywhere);
  settings.on_failure = config::FilterFailure::accept;
  Rig rig({settings});
  rig.greet();
  for (int i = 0; i < 6; ++i) CHECK(rig.message() == "accept");
  CHECK(judgement(rig).failure == ipc::FilterFailure::breaker);
  PlayedService service(rig, "a", always("REJECT"));
  CHECK(rig.message() == "accept");
  rig.clock.pass(11s);
  CHECK(rig.message() == "at MAIL refuse 554 5.7.1 refused by a");
  CHECK(service.states().starts_with("CONNECT"));
}
