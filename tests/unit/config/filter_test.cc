// [[filter]]: what operators write, and what they get to hear about it.

#include <catch2/catch.hpp>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;
using namespace std::chrono_literals;

namespace {

const std::string kGood = "[[filter]]\nname = \"rspamd\"\nsocket = \"127.0.0.1:11332\"\n";

Loaded loaded_filters(const std::string& text) {
  return parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n" + text}}});
}

Config filters_of(const std::string& text) {
  Loaded loaded = loaded_filters(text);
  for (const Diagnostic& d : loaded.diagnostics) FAIL_CHECK(d.text());
  return loaded.config;
}

std::vector<std::string> wrong_in(const std::string& text) {
  std::vector<std::string> out;
  for (const Diagnostic& d : loaded_filters(text).diagnostics) out.push_back(d.text());
  return out;
}

}  // namespace

TEST_CASE("a filter has the defaults of the manual") {
  CHECK(filters_of("").filters.empty());
  Config c = filters_of(kGood);
  REQUIRE(c.filters.size() == 1);
  const Filter& one = c.filters[0];
  CHECK(one.name == "rspamd");
  CHECK(one.speak == FilterProtocol::milter);
  CHECK(one.socket.host == "127.0.0.1");
  CHECK(one.socket.port == 11332);
  CHECK(one.socket.literal);
  CHECK(one.socket.text() == "127.0.0.1:11332");
  CHECK(one.on == std::vector<std::string>{"world"});
  CHECK(one.timeout.connect == 5s);
  CHECK(one.timeout.reply == 30s);
  CHECK(one.timeout.message == 5min);
  CHECK(one.on_failure == FilterFailure::defer);
  CHECK(one.mode == FilterMode::enforce);
  CHECK(one.origin.text() == "t.toml:2:1");
  using enum FilterRight;
  for (FilterRight right : {headers, refuse, defer, hold}) CHECK(one.may.has(right));
  for (FilterRight right : {body, recipients, sender, discard}) CHECK_FALSE(one.may.has(right));
}

TEST_CASE("everything that can be said of a filter is read, and the order is kept") {
  Config c = filters_of(
      "[[listener]]\naddress = \"127.0.0.1:25\"\n"
      "[[listener]]\naddress = \"127.0.0.1:587\"\nprotocol = \"submission\"\n"
      "[[filter]]\nname = \"b\"\nspeak = \"milter\"\nsocket = \"unix:/run/rspamd/milter.sock\"\n"
      "on = [\"submission\"]\n"
      "timeout = { connect = \"1s\", reply = \"2s\", message = \"3s\" }\n"
      "on_failure = \"accept\"\nmode = \"watch\"\nmay = [\"body\", \"discard\"]\n"
      "[[filter]]\nname = \"a\"\nsocket = \"Filter.example:8891\"\non = \"127.0.0.1:25\"\n"
      "on_failure = \"hold\"\n"
      "[[filter]]\nname = \"c\"\nsocket = \"[::1]:8891\"\non = []\nmay = []\n"
      "mode = \"watch\"\non_failure = \"refuse\"\n");
  REQUIRE(c.filters.size() == 3);
  const Filter& first = c.filters[0];
  CHECK(first.name == "b");
  CHECK(first.socket.unix_path == "/run/rspamd/milter.sock");
  CHECK(first.socket.text() == "unix:/run/rspamd/milter.sock");
  CHECK(first.timeout.connect == 1s);
  CHECK(first.timeout.message == 3s);
  CHECK(first.on_failure == FilterFailure::accept);
  CHECK(first.mode == FilterMode::watch);
  CHECK(first.may == FilterRights{FilterRight::body, FilterRight::discard});
  CHECK_FALSE(first.is_on(c.listeners[0]));
  CHECK(first.is_on(c.listeners[1]));
  const Filter& second = c.filters[1];
  CHECK(second.socket.host == "filter.example");
  CHECK_FALSE(second.socket.literal);
  CHECK(second.is_on(c.listeners[0]));
  CHECK_FALSE(second.is_on(c.listeners[1]));
  CHECK(second.on_failure == FilterFailure::hold);
  const Filter& third = c.filters[2];
  CHECK(third.socket.text() == "[::1]:8891");
  CHECK_FALSE(third.is_on(c.listeners[0]));
  CHECK(third.may == FilterRights{});
}

TEST_CASE("mistakes in a filter, one message each") {
  const std::string name = "[[filter]]\nname = \"x\"\n";
  const std::pair<std::string, std::string> rows[] = {
      {"[[filter]]\nsocket = \"127.0.0.1:1\"\n", "t.toml:2:1: name is missing in [[filter]]"},
      {name, "t.toml:2:1: socket is missing in [[filter]]"},
      {"[[filter]]\nname = \"a b\"\nsocket = \"127.0.0.1:1\"\n",
       "t.toml:3:8: name must be 1 to 32 letters, digits, '-', '_' or '.', not 'a b'"},
      {kGood + kGood, "t.toml:6:8: rspamd is already a filter at t.toml:3:8"},
      {kGood + "speak = \"spamd\"\n",
       "t.toml:5:9: speak must be one of milter, policy, rspamd, not 'spamd'"},
      {name + "socket = \"unix:run/x\"\n",
       "t.toml:4:10: unix: needs an absolute path of at most 107 characters"},
      {name + "socket = \"unix:/" + std::string(107, 'x') + "\"\n",
       "t.toml:4:10: unix: needs an absolute path of at most 107 characters"},
      {name + "socket = \"127.0.0.1\"\n",
       "t.toml:4:10: socket must be unix:/path, address:port or name:port: the port is missing"},
      {name + "socket = \"rspamd\"\n",
       "t.toml:4:10: socket must be unix:/path, address:port or name:port: the port is missing"},
      {name + "socket = \"rspamd:0\"\n",
       "t.toml:4:10: socket must be unix:/path, address:port or name:port: a port is 1 to 65535"},
      {name + "socket = \"inet:8891@localhost\"\n",
       "t.toml:4:10: socket must be unix:/path, address:port or name:port: 'inet:' is how "
       "Sendmail and Postfix begin it"},
      {name + "socket = \"local:/run/x\"\n",
       "t.toml:4:10: socket must be unix:/path, address:port or name:port: 'local:' is how "
       "Sendmail and Postfix begin it"},
      {name + "socket = \"300.0.0.1:25\"\n",
       "t.toml:4:10: socket must be unix:/path, address:port or name:port: '300.0.0.1' is not an "
       "IP address"},
      {kGood + "on = [\"word\"]\n",
       "t.toml:5:7: on: 'word' is neither world, submission, local nor notices, nor the address "
       "of a [[listener]]"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\n" + kGood + "on = [\"127.0.0.1:26\"]\n",
       "t.toml:7:7: on: '127.0.0.1:26' is neither world, submission, local nor notices, nor the "
       "address of a [[listener]]: 127.0.0.1:25"},
      {kGood + "timeout = \"5s\"\n",
       "t.toml:5:11: timeout must be a table with keys of its own, not a string; for example: "
       "timeout = { connect = \"5s\", reply = \"30s\", message = \"2m\" }"},
      {kGood + "timeout = { replay = \"5s\" }\n",
       "t.toml:5:13: unknown key 'replay' in timeout, did you mean 'reply'?"},
      {kGood + "timeout = { connect = \"1ms\" }\n",
       "t.toml:5:23: connect: 1ms is too short, at least 100ms"},
      {kGood + "timeout = { reply = \"1h\" }\n", "t.toml:5:21: reply: 1h is too long, at most 10m"},
      {kGood + "timeout = { reply = \"1m\", message = \"30s\" }\n",
       "t.toml:5:37: message is the time for all answers together, and reply, for each, is "
       "longer: 1m"},
      {kGood + "on_failure = \"tempfail\"\n",
       "t.toml:5:14: on_failure must be one of accept, defer, refuse, hold, not 'tempfail'"},
      {kGood + "mode = \"off\"\n", "t.toml:5:8: mode must be one of enforce, watch, not 'off'"},
      {kGood + "may = [\"header\"]\n",
       "t.toml:5:8: may: 'header' is nothing a filter may do (headers, body, recipients, sender, "
       "refuse, defer, discard, hold)"},
      {kGood + "stages = \"rcpt\"\n",
       "t.toml:5:1: unknown key 'stages' in [[filter]], did you mean 'stage'?"},
      {"[filter]\nname = \"x\"\n",
       "t.toml:2:1: filter must be written with two brackets: [[filter]]"},
  };
  for (const auto& [text, want] : rows) {
    CAPTURE(text);
    CHECK(wrong_in(text) == std::vector<std::string>{want});
  }
}

TEST_CASE("there are no more filters than 32") {
  std::string text;
  for (std::size_t i = 0; i <= kFiltersMax; ++i)
    text += "[[filter]]\nname = \"f" + std::to_string(i) + "\"\nsocket = \"127.0.0.1:1\"\n";
  std::vector<std::string> wrong = wrong_in(text);
  CHECK(wrong == std::vector<std::string>{"t.toml:98:1: more than 32 filters"});
}

TEST_CASE("a filter that may do nothing is warned of, unless it only watches") {
  std::vector<std::string> warnings;
  for (const Diagnostic& d : loaded_filters(kGood + "may = []\n").warnings)
    warnings.push_back(d.text());
  CHECK(warnings ==
        std::vector<std::string>{
            "t.toml:5:7: the filter may do nothing; mode = \"watch\" says so more plainly"});
  CHECK(loaded_filters(kGood + "may = []\nmode = \"watch\"\n").warnings.empty());
}

TEST_CASE("a policy service is asked at its stages, of everybody or of strangers") {
  const std::string good =
      "[[filter]]\nname = \"p\"\nspeak = \"policy\"\nsocket = \"[::1]:10023\"\n";
  Config c = filters_of(good);
  REQUIRE(c.filters.size() == 1);
  CHECK(c.filters[0].speak == FilterProtocol::policy);
  CHECK(c.filters[0].stages == std::vector<PolicyStage>{PolicyStage::rcpt});
  CHECK(c.filters[0].clients == FilterClients::all);
  c = filters_of(good + "stage = [\"connect\", \"end_of_message\"]\nclients = \"strangers\"\n");
  CHECK(c.filters[0].stages ==
        std::vector<PolicyStage>{PolicyStage::connect, PolicyStage::end_of_message});
  CHECK(c.filters[0].clients == FilterClients::strangers);
  CHECK(filters_of(good + "stage = \"data\"\n").filters[0].stages ==
        std::vector<PolicyStage>{PolicyStage::data});
}

TEST_CASE("what is wrong with a policy service is said") {
  const std::string good =
      "[[filter]]\nname = \"p\"\nspeak = \"policy\"\nsocket = \"[::1]:10023\"\n";
  auto [text, expected] = GENERATE_REF(table<std::string, std::string>({
      {good + "stage = \"end\"\n", "'end' is no stage of a session"},
      {good + "stage = []\n", "a policy service has to be asked once"},
      {good + "clients = \"some\"\n", "clients"},
      {good + "reuse = true\n", "reuse is for milters"},
      {good + "pipelining = true\n", "pipelining is for milters"},
      {good + "spare_connections = 1\n", "spare_connections is for milters"},
      {kGood + "spare_connections = 51\n", "spare_connections"},
      {kGood + "stage = \"rcpt\"\n", "stage is for filters with speak = \"policy\""},
      {kGood + "clients = \"all\"\n", "clients is for filters with speak = \"policy\""},
  }));
  CAPTURE(text);
  std::vector<std::string> wrong = wrong_in(text);
  REQUIRE(wrong.size() == 1);
  CHECK(wrong[0].find(expected) != std::string::npos);
}

TEST_CASE("a policy service that may do what it has no words for is warned of") {
  Loaded loaded = loaded_filters(
      "[[filter]]\nname = \"p\"\nspeak = \"policy\"\nsocket = \"[::1]:10023\"\n"
      "may = [\"body\"]\n");
  REQUIRE(loaded.warnings.size() == 1);
  CHECK(loaded.warnings[0].text() == "t.toml:6:7: a policy service has no words for body");
}

TEST_CASE("Rspamd is a filter with the keys of all") {
  Config c = filters_of(kGood + "speak = \"rspamd\"\nmode = \"watch\"\n");
  REQUIRE(c.filters.size() == 1);
  CHECK(c.filters[0].speak == FilterProtocol::rspamd);
  CHECK(wrong_in(kGood + "speak = \"rspamd\"\nstage = \"rcpt\"\n").size() == 1);
}
