// [authentication]: what operators write, and what they get to hear about it.

#include <catch2/catch.hpp>

#include <algorithm>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;
using namespace std::chrono_literals;

namespace {

Loaded loaded_with(const std::string& text) {
  return parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n" + text}}});
}

bool tells(const std::vector<Diagnostic>& diagnostics, std::string_view words) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.message.find(words) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("without [authentication] nothing is looked at") {
  Config c = loaded_with("").config;
  CHECK_FALSE(c.authentication.wanted);
  CHECK_FALSE(c.filters_mail());
}

TEST_CASE("[authentication] notes what it finds, in the name of this host") {
  Loaded loaded = loaded_with("[authentication]\n");
  CHECK(loaded.diagnostics.empty());
  const Authentication& a = loaded.config.authentication;
  CHECK(loaded.config.filters_mail());
  CHECK(a.name == "mx.example.org");
  CHECK(a.spf == AuthenticationAction::note);
  CHECK(a.spf_helo == AuthenticationAction::note);
  CHECK(a.looks_at_helo());
  CHECK(a.dkim == AuthenticationAction::note);
  CHECK(a.dmarc == AuthenticationAction::note);
  CHECK(a.time == Duration(20s));
  CHECK(a.mode == FilterMode::enforce);
}

TEST_CASE("every key of [authentication] is read") {
  Loaded loaded = loaded_with(
      "[authentication]\nname = \"AUTH.Example.org\"\nspf = \"refuse\"\ndkim = \"note\"\n"
      "dmarc = \"hold\"\ntime = \"5s\"\nmode = \"watch\"\n"
      "arc = { verify = true, seal = \"off\", trusted = [\"Lists.example\"] }\n");
  CHECK(loaded.diagnostics.empty());
  const Authentication& a = loaded.config.authentication;
  CHECK(a.name == "auth.example.org");
  CHECK(a.spf == AuthenticationAction::refuse);
  CHECK(a.dmarc == AuthenticationAction::hold);
  CHECK(a.time == Duration(5s));
  CHECK(a.arc.verify);
  CHECK(a.arc.trusted == std::vector<std::string>{"lists.example"});
  CHECK(a.mode == FilterMode::watch);
}

TEST_CASE("mistakes in [authentication] are told") {
  struct Row {
    const char* text;
    const char* words;
  };
  auto row = GENERATE(values<Row>({
      {"name = \"two words\"", "is not a host name"},
      {"spf = \"maybe\"", "spf"},
      {"dkim = \"maybe\"", "dkim"},
      {"time = \"0s\"", "time"},
      {"time = \"1h\"", "time"},
      {"spf = \"off\"\ndkim = \"off\"\ndmarc = \"off\"", "are off"},
      {"arcs = true", "arcs"},
      {"arc = { seal = \"all\" }", "seal"},
      {"arc = { trusted = [\"no domain\"] }", "is not a domain"},
      {"arc = { verify = false, trusted = [\"a.example\"] }", "needs verify"},
      {"\n[[filter]]\nname = \"Authentication\"\nsocket = \"127.0.0.1:1\"", "is the name of"},
  }));
  CAPTURE(row.text);
  CHECK(tells(loaded_with("[authentication]\n" + std::string(row.text) + "\n").diagnostics,
              row.words));
}

TEST_CASE("half of what DMARC goes by is worth a warning") {
  CHECK(tells(loaded_with("[authentication]\ndkim = \"off\"\n").warnings, "dmarc without dkim"));
  CHECK(tells(loaded_with("[authentication]\ndkim = \"refuse\"\ndmarc = \"off\"\n").warnings,
              "nothing follows"));
  CHECK(tells(loaded_with("[authentication]\nspf = \"off\"\n").warnings, "dmarc without spf"));
  CHECK(tells(loaded_with("[authentication]\nspf = \"off\"\nspf_helo = \"refuse\"\n").warnings,
              "spf_helo = \"refuse\" with spf"));
}

TEST_CASE("own_domains that can follow from nothing is worth a warning") {
  constexpr const char* kWords = "without any [[domain]]";
  auto warned = [&](const std::string& action, const std::string& more) {
    return tells(
        loaded_with("[authentication]\nown_domains = \"" + action + "\"\n" + more).warnings,
        kWords);
  };
  CHECK(warned("hold", ""));
  CHECK(warned("refuse", ""));
  CHECK_FALSE(warned("note", ""));
  CHECK_FALSE(warned("off", ""));
  CHECK_FALSE(warned("hold", "[[domain]]\nname = \"ours.example\"\n"));
  CHECK_FALSE(tells(loaded_with("").warnings, kWords));
}
