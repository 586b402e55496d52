// [[content_rule]]: what operators write, and what they get to hear about it.
#include <catch2/catch.hpp>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;

namespace {

Loaded loaded_rules(const std::string& text) {
  return parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n" + text}}});
}

std::vector<ContentRule> rules_of(const std::string& text) {
  Loaded loaded = loaded_rules(text);
  for (const Diagnostic& d : loaded.diagnostics) FAIL_CHECK(d.text());
  return loaded.config.content_rules;
}

// The first mistake in a rule with these lines.
std::string wrong_in(const std::string& lines) {
  Loaded loaded = loaded_rules("[[content_rule]]\n" + lines);
  return loaded.diagnostics.empty() ? "" : loaded.diagnostics[0].text();
}

bool says(const std::string& text, std::string_view word) {
  INFO(text);
  return text.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("a content rule has the defaults of the manual") {
  std::vector<ContentRule> rules = rules_of(
      "[[content_rule]]\nfield = \"Subject\"\npattern = \"casino\"\naction = \"refuse\"\n");
  REQUIRE(rules.size() == 1);
  const ContentRule& one = rules[0];
  CHECK(one.name.empty());
  CHECK(one.shown_name() == "t.toml:2:1");
  CHECK(one.place == ContentPlace::header);
  CHECK(one.field == "Subject");
  CHECK(one.pattern == "casino");
  CHECK(one.pattern_origin.text() == "t.toml:4:11");
  CHECK(one.action == ContentAction::refuse);
  CHECK(one.text.empty());
  CHECK(one.depth == 51'200);
  CHECK(one.on == std::vector<std::string>{"world"});
  CHECK(one.mode == FilterMode::enforce);
}

TEST_CASE("everything that can be said of a content rule is read, and the order is kept") {
  std::vector<ContentRule> rules = rules_of(
      "[[listener]]\naddress = \"127.0.0.1:587\"\nprotocol = \"submission\"\n"
      "[[content_rule]]\nname = \"exe\"\nfield = \"part:Content-Disposition\"\n"
      "pattern = \"exe\"\naction = \"hold\"\ntext = \"a program\"\nmode = \"watch\"\n"
      "on = [\"world\", \"127.0.0.1:587\"]\n"
      "[[content_rule]]\nfield = \"body\"\npattern = \"x\"\naction = \"redirect\"\n"
      "value = \"post@example.org\"\ndepth = \"1MiB\"\n"
      "[[content_rule]]\nfield = \"*\"\npattern = \"x\"\naction = \"prepend\"\n"
      "value = \"X-Seen: yes\"\n"
      "[[content_rule]]\nfield = \"part:*\"\npattern = \"x\"\naction = \"bcc\"\n"
      "value = \"all@example.org\"\n"
      "[[content_rule]]\nfield = \"Subject\"\npattern = \"x\"\naction = \"replace\"\n"
      "value = \"none\"\n"
      "[[content_rule]]\nfield = \"X-Spam\"\npattern = \".\"\naction = \"remove\"\n"
      "[[content_rule]]\nfield = \"X\"\npattern = \"x\"\naction = \"discard\"\n"
      "[[content_rule]]\nfield = \"X\"\npattern = \"x\"\naction = \"warn\"\n"
      "[[content_rule]]\nfield = \"X\"\npattern = \"x\"\naction = \"defer\"\ntext = \"later\"\n");
  REQUIRE(rules.size() == 9);
  CHECK(rules[0].shown_name() == "exe");
  CHECK(rules[0].place == ContentPlace::part);
  CHECK(rules[0].field == "Content-Disposition");
  CHECK(rules[0].action == ContentAction::hold);
  CHECK(rules[0].text == "a program");
  CHECK(rules[0].mode == FilterMode::watch);
  CHECK(rules[0].on.size() == 2);
  CHECK(rules[1].place == ContentPlace::body);
  CHECK(rules[1].depth == 1U << 20);
  CHECK(rules[1].value == "post@example.org");
  CHECK(rules[2].value == "X-Seen: yes");
  CHECK(rules[3].field == "*");
  const ContentAction want[] = {
      ContentAction::hold,    ContentAction::redirect, ContentAction::prepend,
      ContentAction::bcc,     ContentAction::replace,  ContentAction::remove,
      ContentAction::discard, ContentAction::warn,     ContentAction::defer};
  for (std::size_t i = 0; i < rules.size(); ++i) CHECK(rules[i].action == want[i]);
}

TEST_CASE("mistakes in content rules are named at their place") {
  const std::string kField = "field = \"Subject\"\n";
  const std::string kPattern = "pattern = \"x\"\n";
  const std::string kStart = kField + kPattern;
  CHECK(says(wrong_in(kPattern + "action = \"warn\""), "field"));
  CHECK(says(wrong_in(kField + "action = \"warn\""), "pattern"));
  CHECK(says(wrong_in(kStart), "action"));
  CHECK(says(wrong_in("field = \"Sub ject\"\n" + kPattern + "action = \"warn\""),
             "t.toml:3:9: field must be the name of a header field"));
  CHECK(says(wrong_in(kStart + "action = \"reject\""), "t.toml:5:10"));
  CHECK(says(wrong_in(kStart + "action = \"remove\"\ntext = \"x\""), "remove needs no text"));
  CHECK(says(wrong_in(kStart + "action = \"refuse\"\nvalue = \"x\""), "refuse needs no value"));
  CHECK(says(wrong_in(kStart + "action = \"prepend\""), "value"));
  CHECK(says(wrong_in(kStart + "action = \"prepend\"\nvalue = \"no field\""), "\"Name: text\""));
  CHECK(says(wrong_in(kStart + "action = \"bcc\"\nvalue = \"nobody\""), "is not an address"));
  CHECK(says(wrong_in(kStart + "action = \"replace\"\nvalue = \" \""), "remove takes the field"));
  CHECK(says(wrong_in(kStart + "action = \"refuse\"\ntext = \"zwölf\""), "ASCII"));
  CHECK_FALSE(wrong_in(kStart + "action = \"refuse\"\ntext = \"a\\nb\"").empty());
  CHECK(says(wrong_in("field = \"body\"\n" + kPattern + "action = \"remove\""),
             "for fields of the message's header section only"));
  CHECK(says(wrong_in(kStart + "action = \"warn\"\ndepth = \"1KiB\""), "body only"));
  CHECK(says(wrong_in(kStart + "action = \"warn\"\non = \"nowhere\""), "nowhere"));
  CHECK(says(wrong_in(kStart + "action = \"warn\"\nname = \"a b\""), "name must be"));
  std::string named = kStart + "action = \"warn\"\nname = \"a\"\n";
  CHECK(says(wrong_in(named + "[[content_rule]]\n" + named), "already a content rule at"));
  CHECK(says(wrong_in(kStart + "action = \"warn\"\n[[filter]]\nname = \"Content_Rules\"\n"
                               "socket = \"127.0.0.1:1\""),
             "is what all [[content_rule]] together are called"));
}
